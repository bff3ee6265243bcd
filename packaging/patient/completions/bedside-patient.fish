# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_bedside_patient_global_optspecs
    string join \n root= h/help V/version
end

function __fish_bedside_patient_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_bedside_patient_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_bedside_patient_using_subcommand
    set -l cmd (__fish_bedside_patient_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -s V -l version -d 'Print version'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "up" -d 'Have the kernel send its log to a doctor, and prove it'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "down" -d 'Take back everything that `up` did'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "status" -d 'Tell whether the kernel sends, to whom, when it was heard, and what is wrong'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "check" -d 'Look for what keeps lines from being heard'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "test" -d 'Have the kernel say a line, and ask the doctor whether it was heard'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "agent" -d 'Keep the kernel armed as `up` was told, whatever happens to the network'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "relay" -d 'Send the kernel\'s log from user space, where netconsole can\'t be used'
complete -c bedside-patient -n "__fish_bedside_patient_needs_command" -f -a "explain" -d 'Say in words what a netconsole= parameter means'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l log-level -d 'The console log level: lines of this number and above are not sent; 8 sends all; or `leave`' -r
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l heartbeat -d 'Have the agent say every so many seconds that the machine lives; or `off`' -r
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -s n -l dry-run -d 'Say what would be done, and do nothing'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l permanent -d 'Also after the next start of the machine; that is what is done unless told otherwise'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l no-permanent -d 'Until the next start of the machine only'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l early -d 'Load netconsole in the initramfs already, and say what to put on the kernel\'s command line'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l relay -d 'Send from user space, where netconsole can\'t be used: Wi-Fi, WireGuard'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -l no-test -d 'Don\'t prove it'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand up" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand down" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand down" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand status" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand status" -l json -d 'Print one JSON object: `v`, which is 1, and what else the text says'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand status" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand check" -l set-panic -d 'Say what the kernel is to do when it dies, for good, until `down`: panic=0; give it several times' -r
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand check" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand check" -l json -d 'Print one JSON object: `v`, which is 1, and `checks`, with what, on, state, evidence, cure'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand check" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand test" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand test" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand agent" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand agent" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand relay" -l with-parent -d 'End when the process ends that started it, which has this number' -r
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand relay" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand relay" -s h -l help -d 'Print help'
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand explain" -l root -d 'Take every path below this directory; for tests' -r -f -a "(__fish_complete_directories)"
complete -c bedside-patient -n "__fish_bedside_patient_using_subcommand explain" -s h -l help -d 'Print help'
