# Completion of qemuctl(8) for bash.  What there is to complete, it asks
# qemuctl: commands, what each takes, the names of guests.

# words: what is typed up to the cursor.  bash has it also in pieces, for
# "qemud:///system" is three words to it, cut at COMP_WORDBREAKS; those with
# no blank between them belong together.
_qemuctl_words() {
	local line=${COMP_LINE:0:COMP_POINT} rest part i

	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		rest=${line#"${line%%[![:blank:]]*}"}
		part=${COMP_WORDS[i]}
		[[ $rest == "$part"* ]] || part=$rest
		if ((i > 0)) && [[ $rest == "$line" ]]; then
			words[-1]+=$part
		else
			words+=("$part")
		fi
		line=${rest:${#part}}
	done
}

# What is left of the completions when what they have in common with the word
# up to its last break, which is not replaced, is taken away.
_qemuctl_trim() {
	local keep=$1 i

	[[ $1 != [\"\']* ]] || return 0
	while [[ -n $keep && $COMP_WORDBREAKS != *"${keep: -1}"* ]]; do
		keep=${keep%?}
	done
	# one with a backslash before it is no break
	[[ $keep != *\\? ]] || return 0
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$keep"}
	done
}

# Of these those that begin like the word.
_qemuctl_offer() {
	local start=${1#[\"\']}

	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$start")
}

_qemuctl_commands() {
	_qemuctl_offer "$1" \
	    "$(qemuctl help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')"
}

# Guests, asked for as the command will.
_qemuctl_guests() {
	local start=${1#[\"\']} name

	while IFS= read -r name; do
		[[ $1 != "$start" ]] || printf -v name %q "$name"
		[[ $name != "$start"* ]] || COMPREPLY+=("$name")
	done < <(qemuctl "${options[@]}" list -an 2>/dev/null)
}

# The n-th argument, from 0, of a command that takes these.
_qemuctl_argument() {
	local n=$1 word=$2 start=${2#[\"\']}
	shift 2

	if (($# > 1 && n > $# - 2)) && [[ ${!#} == ... ]]; then
		n=$(($# - 2))
	fi
	shift $((n < $# ? n : $#))
	case ${1-} in
	NAME)	_qemuctl_guests "$word" ;;
	FILE)	compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$start") ;;
	on\|off)
		_qemuctl_offer "$word" "on off" ;;
	COMMAND)
		[[ $command == monitor ]] || _qemuctl_commands "$word" ;;
	esac
}

_qemuctl() {
	local words word before command='' usage own letters known name plain
	local i n=0
	local options=()

	COMPREPLY=()
	_qemuctl_words
	word=${words[-1]} before=${words[-2]}
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		-c|-[jrv]*c)
			# as it was typed, without quotes
			plain=${words[++i]//[\"\'\\]/}
			options+=(-c "$plain") ;;
		-c*)	plain=${words[i]//[\"\'\\]/}
			options+=("$plain") ;;
		-*r*)	options+=(-r) ;;
		-*)	;;
		*)	command=${words[i]}; break ;;
		esac
	done

	if [[ -z $command ]]; then
		case $before,$word in
		-c,*|-[jrv]*c,*)
			_qemuctl_offer "$word" \
			    "qemud:///system qemud:///session" ;;
		*,-*)	_qemuctl_offer "$word" \
			    "-c -h -j -r -v --help --version" ;;
		*)	_qemuctl_commands "$word" ;;
		esac
		_qemuctl_trim "$word"
		return
	fi

	# usage: qemuctl [-jrv] [-c uri] stop [-w] [-t seconds] NAME ...
	usage=$(qemuctl help "$command" 2>/dev/null | sed -n 1p)
	own=${usage#*"[-c uri] "}
	name=${own%% *}
	own=${own#"$name"}
	command=$name
	known=-h
	[[ $usage != *"[-j"* ]] || known+=" -j"
	known+=" -v"
	while [[ $own =~ \[-([a-z]+)( [a-z]+)?\] ]]; do
		letters=${BASH_REMATCH[1]}
		own=${own/"${BASH_REMATCH[0]}"/}
		while [[ -n $letters ]]; do
			known+=" -${letters:0:1}"
			letters=${letters:1}
		done
	done
	own=${own//[\[\]]/}

	# options with an argument of their own, which is not the command's
	for ((i++; i < ${#words[@]} - 1; i++)); do
		if [[ $usage == *"[${words[i]} "* ]]; then
			((++i))
		elif [[ ${words[i]} != -* ]]; then
			((++n))
		fi
	done
	if ((i >= ${#words[@]})); then
		return			# such an argument
	elif [[ $word == -* && ( $command != monitor || $n == 0 ) ]]; then
		_qemuctl_offer "$word" "$known"
	else
		# shellcheck disable=SC2086	# words, one by one
		_qemuctl_argument $n "$word" $own
	fi
	_qemuctl_trim "$word"
}

complete -F _qemuctl qemuctl
