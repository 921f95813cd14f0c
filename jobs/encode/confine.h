/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves a child of ours nothing of the file system but the system's programs and libraries, its input to read and its folder to
 * write files and folders, and no TCP: by Landlock, as far as this kernel has it (files from Linux 5.13 on, TCP from 6.7, signals and abstract sockets
 * from 6.12). So a flaw in a decoder reads no secret and changes no other file.
 *
 * Descriptors that are open already stay so. A kernel without Landlock, or one that has it switched off, confines nothing.
 */
#pragma once

/**
 * confine() - for this process and what it starts, for good
 * @program: that will be executed, as execvp() takes it
 * @input: file to read, also one without a name; -1: none
 * @folder: where to do anything but to make links, pipes and devices; -1: nowhere
 *
 * Between fork() and exec(): it allocates nothing. Needs PR_SET_NO_NEW_PRIVS.
 *
 * Return: 0; negative errno.
 */
int confine(const char *program, int input, int folder);
