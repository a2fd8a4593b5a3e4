# Completion of qemuctl(8) for bash.  What there is to complete, it asks
# qemuctl: commands, what each takes, the names of guests.

# Commands that begin like this.
_qemuctl_commands() {
	compgen -W "$(qemuctl help | sed -n 's/^  \([a-z]*\)  *.*/\1/p')" \
	    -- "$1"
}

_qemuctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local command='' takes name i
	local options=()

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c)	options+=(-c "${COMP_WORDS[i+1]}"); ((i++)) ;;
		-r)	options+=(-r) ;;
		-*)	;;
		*)	command=${COMP_WORDS[i]}; break ;;
		esac
	done

	if [[ -z $command && $before == -c ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
		    "qemud:///system qemud:///session" -- "$word")
		return
	elif [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(_qemuctl_commands "$word")
		return
	fi

	takes=$(qemuctl help "$command" 2>/dev/null | sed -n 1p)
	if [[ $takes == *FILE* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [[ $takes == *NAME* ]]; then
		while IFS= read -r name; do
			printf -v name %q "$name"
			[[ $name != "$word"* ]] || COMPREPLY+=("$name")
		done < <(qemuctl "${options[@]}" list -an 2>/dev/null)
	elif [[ $takes == *COMMAND* ]]; then
		mapfile -t COMPREPLY < <(_qemuctl_commands "$word")
	fi
}

complete -F _qemuctl qemuctl
