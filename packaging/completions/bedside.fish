# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_bedside_global_optspecs
    string join \n h/help V/version
end

function __fish_bedside_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_bedside_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_bedside_using_subcommand
    set -l cmd (__fish_bedside_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c bedside -n "__fish_bedside_needs_command" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_needs_command" -s V -l version -d 'Print version'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "serve" -d 'Hear kernels and keep what they say'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "log" -d 'Show what was heard'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "hosts" -d 'List the machines that were heard'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "boots" -d 'List the boots of machines, how each began and how it ended'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "incidents" -d 'List what went wrong in kernels: crashes, warnings, lockups, each with how often and where'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "incident" -d 'Show one of them with its trace, or say what has become of it'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "alert" -d 'Look after alerts: who is told of which incidents'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "triage" -d 'Find the incidents in any file with a kernel\'s lines: crashes, warnings, lockups'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "replay" -d 'Take a capture into a store, as if it were heard now'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "demo" -d 'Show a recorded death of a kernel, heard over loopback'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "check" -d 'Look for what keeps lines from being heard or kept'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "store" -d 'Look after a store'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "config" -d 'Print the configuration file with all its defaults'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c bedside -n "__fish_bedside_needs_command" -f -a "man" -d 'Write the man pages into a directory'
complete -c bedside -n "__fish_bedside_using_subcommand serve" -s l -l listen -d 'Listen here; give it several times for several sockets' -r
complete -c bedside -n "__fish_bedside_using_subcommand serve" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand serve" -s c -l config -d 'Read the configuration from this file; options given here win over it' -r -F
complete -c bedside -n "__fish_bedside_using_subcommand serve" -s a -l allow -d 'Hear senders of this network only; give it several times for several networks' -r
complete -c bedside -n "__fish_bedside_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand log" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand log" -s n -l lines -d 'Show the last N records only, with the gaps and boots among them' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s b -l boot -d 'Show one boot of each machine: N as `bedside boots` numbers it, 0 or none the current one, -1 the one before' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s S -l since -d 'Show what was received at this time or later' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s U -l until -d 'Show what was received at this time or earlier' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s p -l priority -d 'Show records of this level and worse, or of a range: err, 3, err..warning' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s g -l grep -d 'Show records whose text matches this regular expression' -r
complete -c bedside -n "__fish_bedside_using_subcommand log" -s o -l output -d 'How to show it' -r -f -a "short\t'A line each: when it was received, whose it is, uptime, text'
full\t'All that is known of each, a line for each field'
json\t'A JSON object a line; the man page names its keys'
raw\t'The exact bytes of the text; not to a terminal'"
complete -c bedside -n "__fish_bedside_using_subcommand log" -l all -d 'Strangers too: new senders in a flood, heard no more than a few times (reads the store)'
complete -c bedside -n "__fish_bedside_using_subcommand log" -s f -l follow -d 'Show what comes in, as it comes, until interrupted; begins with the last 10 records'
complete -c bedside -n "__fish_bedside_using_subcommand log" -s r -l reverse -d 'Show the newest first'
complete -c bedside -n "__fish_bedside_using_subcommand log" -l force -d 'Let `-o raw` write to a terminal, which obeys what kernels and their users sent'
complete -c bedside -n "__fish_bedside_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand hosts" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand hosts" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand hosts" -l all -d 'Strangers too: new senders in a flood, heard no more than a few times (reads the store)'
complete -c bedside -n "__fish_bedside_using_subcommand hosts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand boots" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand boots" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand boots" -l all -d 'Strangers too: new senders in a flood, heard no more than a few times (reads the store)'
complete -c bedside -n "__fish_bedside_using_subcommand boots" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -s S -l since -d 'Count what happened at this time or later' -r
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -s U -l until -d 'Count what happened at this time or earlier' -r
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -l state -d 'List those that stand so; without it open and regressed ones. Give it several times for several' -r -f -a "open\t'Nobody has said anything'
regressed\t'It came back after it was resolved'
resolved\t'Somebody has said that it will not come again'
ignored\t'Somebody has said that nobody wants to hear of it'"
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -l kind -d 'List those of this kind; give it several times for several. bedside-triage(1) lists the kinds' -r
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -s a -l all -d 'List all, also those that are resolved or ignored'
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand incidents" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand incident" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand incident" -l host -d 'Show the last time that it happened to this machine' -r -f -a "(__fish_print_hostnames)"
complete -c bedside -n "__fish_bedside_using_subcommand incident" -s o -l output -d 'How to show it' -r -f -a "page\t'A page for people'
markdown\t'Markdown, to be pasted into a bug report'
syz\t'A plain report, as syzkaller writes them'
json\t'A JSON object a line; the man page names its keys'"
complete -c bedside -n "__fish_bedside_using_subcommand incident" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand incident" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand alert; and not __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand alert; and not __fish_seen_subcommand_from test" -f -a "test" -d 'Deliver a letter of each rule, as if something had happened'
complete -c bedside -n "__fish_bedside_using_subcommand alert; and __fish_seen_subcommand_from test" -s c -l config -d 'Read the rules from this file' -r -F
complete -c bedside -n "__fish_bedside_using_subcommand alert; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand triage" -s o -l output -d 'How to show it' -r -f -a "page\t'A page for people'
markdown\t'Markdown, to be pasted into a bug report'
syz\t'A plain report, as syzkaller writes them'
json\t'A JSON object a line; the man page names its keys'"
complete -c bedside -n "__fish_bedside_using_subcommand triage" -l json -d 'Print one JSON object a line for each incident; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand triage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand replay" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand replay" -s p -l port -d 'Take datagrams to this UDP port only; give it several times for several ports' -r
complete -c bedside -n "__fish_bedside_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand demo" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand check" -s l -l listen -d 'Check these addresses and ports instead of those of the configuration' -r
complete -c bedside -n "__fish_bedside_using_subcommand check" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand check" -s c -l config -d 'Read the configuration from this file' -r -F
complete -c bedside -n "__fish_bedside_using_subcommand check" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand store; and not __fish_seen_subcommand_from rebuild verify stats prune" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand store; and not __fish_seen_subcommand_from rebuild verify stats prune" -f -a "rebuild" -d 'Make the catalogue anew from the segments; no doctor may be running'
complete -c bedside -n "__fish_bedside_using_subcommand store; and not __fish_seen_subcommand_from rebuild verify stats prune" -f -a "verify" -d 'Read every block of every segment and tell what is damaged'
complete -c bedside -n "__fish_bedside_using_subcommand store; and not __fish_seen_subcommand_from rebuild verify stats prune" -f -a "stats" -d 'Tell how much the store holds and how big it is'
complete -c bedside -n "__fish_bedside_using_subcommand store; and not __fish_seen_subcommand_from rebuild verify stats prune" -f -a "prune" -d 'Delete the oldest segments; no doctor may be running'
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from rebuild" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from verify" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from stats" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from stats" -l json -d 'Print one JSON object; the man page names its keys'
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from prune" -l data -d 'The store\'s directory' -r -f -a "(__fish_complete_directories)"
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from prune" -l max-size -d 'Delete the oldest sealed segments until all take up at most this: 500M, 20G' -r
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from prune" -l max-age -d 'Delete sealed segments in which nothing was heard since: 30d, 12h' -r
complete -c bedside -n "__fish_bedside_using_subcommand store; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bedside -n "__fish_bedside_using_subcommand config" -l print-default -d 'Print a configuration file that says what is done without one'
complete -c bedside -n "__fish_bedside_using_subcommand config" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand completions" -s h -l help -d 'Print help'
complete -c bedside -n "__fish_bedside_using_subcommand man" -s h -l help -d 'Print help'
