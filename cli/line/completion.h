/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts that make a shell ask jobctl what may come next. */
#pragma once

/* NULL-terminated: "bash", "zsh", "fish". */
extern const char *const completion_shells[];
/* @shell is one of them. */
const char *completion_script(const char *shell);
