/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/completion.h"

#include <string.h>

const char *const completion_shells[] = { "bash", "zsh", "fish", 0 };

/* Each first line of an answer is for people who look into the file. */
static const char bash[] =
    "# jobctl: completion for bash. To use it now: source <(jobctl completion bash)\n"
    "# To keep it: jobctl completion bash > ~/.local/share/bash-completion/completions/jobctl\n"
    "_jobctl() {\n"
    "  local line\n"
    "  COMPREPLY=()\n"
    "  while IFS= read -r line; do\n"
    "    if [ \"$line\" = :files ]; then\n"
    "      compopt -o filenames 2>/dev/null\n"
    "      mapfile -t COMPREPLY < <(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
    "      return\n"
    "    fi\n"
    "    COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
    "  done < <(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _jobctl jobctl\n";

static const char zsh[] =
    "#compdef jobctl\n"
    "# jobctl: completion for zsh. To use it now: source <(jobctl completion zsh)\n"
    "# To keep it, in a folder of $fpath: jobctl completion zsh > ~/.zfunc/_jobctl\n"
    "_jobctl() {\n"
    "  local line\n"
    "  local -a candidates\n"
    "  while IFS= read -r line; do\n"
    "    if [[ $line == :files ]]; then\n"
    "      _files\n"
    "      return\n"
    "    fi\n"
    "    candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "  done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "  _describe jobctl candidates\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _jobctl ]; then _jobctl \"$@\"; else compdef _jobctl jobctl; fi\n";

static const char fish[] = "# jobctl: completion for fish. To use it now: jobctl completion fish | source\n"
                           "# To keep it: jobctl completion fish > ~/.config/fish/completions/jobctl.fish\n"
                           "function __jobctl_complete\n"
                           "  set -l words (commandline -opc) (commandline -ct)\n"
                           "  set -l answer ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
                           "  if test \"$answer[1]\" = :files\n"
                           "    __fish_complete_path (commandline -ct)\n"
                           "  else\n"
                           "    printf '%s\\n' $answer\n"
                           "  end\n"
                           "end\n"
                           "complete -c jobctl -f -a '(__jobctl_complete)'\n";

const char *completion_script(const char *shell)
{
    return strcmp(shell, "bash") == 0 ? bash : strcmp(shell, "zsh") == 0 ? zsh : fish;
}
