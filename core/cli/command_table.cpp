#include "cli/command_table.hpp"

#include <algorithm>

namespace holdfast {

namespace {

using Options = std::vector<OptionSpec>;

OptionSpec stack_option() {
    return {.name = "stack",
            .letter = 's',
            .value = "NAME",
            .help = "Only this stack (repeatable; default: all)",
            .repeats = true};
}

OptionSpec all_option() { return {.name = "all", .help = "Leave nothing out and shorten no value"}; }

OptionSpec yes_option() {
    return {.name = "yes", .letter = 'y', .help = "Do not ask; what is parked stays parked all the same"};
}

OptionSpec exit_code_option() {
    return {.name = "exit-code", .help = "Exit with 2 if there is something to report"};
}

Options revision_options() {
    return {{.name = "revision", .value = "REV", .help = "Branch, tag or commit to read (default: HEAD)"},
            {.name = "working-tree", .help = "Read the files as they lie on disk, committed or not"},
            {.name = "offline", .help = "Fetch no source; use what was fetched last"}};
}

Options leaf_options() {
    return {{.name = "only",
             .value = "ID",
             .help = "Only these leaves; an id, an address or a glob (repeatable)",
             .repeats = true},
            {.name = "exclude", .value = "ID", .help = "All but these leaves (repeatable)", .repeats = true}};
}

OptionSpec replace_option() {
    return {.name = "replace",
            .value = "ADDRESS",
            .help = "Replace this leaf even if it could be updated (repeatable)",
            .repeats = true};
}

Options joined(std::initializer_list<Options> lists) {
    Options out;
    for (const Options& list : lists) out.insert(out.end(), list.begin(), list.end());
    return out;
}

CommandSpec init_command() {
    return {
        .name = "init",
        .summary = "Start: write a commented holdfast.yaml and an example",
        .description =
            "Writes holdfast.yaml and a folder with one example document into an existing Git repository.\n"
            "Files that exist already are never overwritten; nothing is committed.",
        .arguments = {},
        .options = {{.name = "name",
                     .value = "STACK",
                     .help = "Name of the stack and its folder (default: web)"}},
        .examples = {{"git init infra && holdfast -C infra init", "a repository from nothing"}}};
}

CommandSpec validate_command() {
    return {.name = "validate",
            .summary = "Check all documents; nothing is read from targets",
            .description =
                "Loads the stacks and reports every problem of every document at once, with its place.\n"
                "Providers' targets are not contacted and nothing is written.",
            .arguments = {},
            .options = joined({{stack_option()}, revision_options()}),
            .examples = {{"holdfast validate --working-tree", "before a commit"},
                         {"holdfast validate --revision origin/main", "what the branch holds"}}};
}

CommandSpec plan_command() {
    return {
        .name = "plan",
        .summary = "Show what apply would change",
        .description =
            "Compares what Git declares with what is recorded and with what the targets hold now, and shows\n"
            "the changes that would make them agree. Nothing is changed.",
        .arguments = {},
        .options = joined({{stack_option()},
                           leaf_options(),
                           {replace_option()},
                           revision_options(),
                           {{.name = "out",
                             .letter = 'o',
                             .value = "FILE",
                             .help = "Save the plan, to be applied exactly as it is",
                             .completes = Completes::file},
                            {.name = "destroy", .help = "Plan the removal of everything that is recorded"},
                            exit_code_option(),
                            all_option()}}),
        .examples = {{"holdfast plan", "all stacks at HEAD"},
                     {"holdfast plan -s web --working-tree", "with files that are not committed yet"},
                     {"holdfast plan --out plan.json && holdfast apply --plan plan.json",
                      "apply what was reviewed, nothing else"}}};
}

CommandSpec apply_command() {
    return {
        .name = "apply",
        .summary = "Make the targets agree with what Git declares",
        .description =
            "Plans, shows the plan, asks, and carries it out. Without a terminal to ask on it needs --yes "
            "or\n"
            "--plan. Parked changes (mass deletes, protected or stateful leaves) need `holdfast approve`\n"
            "of the plan's hash first; --yes does not replace that. The rest proceeds.\n"
            "With --confirm-within, everything is taken back by itself unless somebody confirms it in time,\n"
            "here or with `holdfast confirm`. Changes that may cut people off are held like that in any "
            "case.",
        .arguments = {},
        .options = joined({{stack_option()},
                           leaf_options(),
                           {replace_option()},
                           revision_options(),
                           {{.name = "plan",
                             .value = "FILE",
                             .help = "Apply exactly this plan, saved by `plan --out`, or nothing",
                             .completes = Completes::file},
                            {.name = "confirm-within",
                             .value = "TIME",
                             .help = "Take all of it back unless somebody confirms it within 60s, 5m, ..."},
                            yes_option(),
                            all_option()}}),
        .examples = {
            {"holdfast apply", "plan, ask, apply"},
            {"holdfast apply --yes -s web", "in a script"},
            {"holdfast apply -s edge --confirm-within 60s", "a change that may lock you out"},
            {"holdfast apply --only File/motd", "one leaf; what it depends on has to stand already"}}};
}

CommandSpec destroy_command() {
    return {.name = "destroy",
            .summary = "Remove everything that a stack has recorded",
            .description = "Plans the removal of all leaves that the ledger says are ours. The plan is "
                           "parked until somebody\n"
                           "approves its hash with `holdfast approve`; then the same command carries it out.",
            .arguments = {},
            .options =
                joined({{stack_option()}, leaf_options(), revision_options(), {yes_option(), all_option()}}),
            .examples = {{"holdfast destroy -s web", "shows the plan and the hash to approve"},
                         {"holdfast approve 9d41c0 && holdfast destroy -s web --yes", "removes it"}}};
}

CommandSpec status_command() {
    return {.name = "status",
            .summary = "Show each stack: last pass, commit, leaves",
            .description = "Says for each stack what was applied last, when and with what result. Reads only "
                           "the store; use\n"
                           "`holdfast drift` to look at the targets.",
            .arguments = {},
            .options = {stack_option()},
            .examples = {{"holdfast status", "all stacks"}, {"holdfast --json status", "for programs"}}};
}

CommandSpec why_command() {
    return {
        .name = "why",
        .summary = "Tell why a leaf is as it is",
        .description =
            "Names the commit, author, file and line that declared a leaf, the pass that applied it, and "
            "what\n"
            "changed when. LEAF is an address, an id, Kind/name, or a value of its identity such as a path.",
        .arguments = {{.name = "LEAF", .help = "The leaf to explain"}},
        .options =
            {{.name = "limit", .letter = 'n', .value = "NUMBER", .help = "Steps to show (default: 10)"}},
        .examples = {{"holdfast why File/motd", "by kind and name"},
                     {"holdfast why etc/motd", "by what it manages"}}};
}

CommandSpec history_command() {
    return {
        .name = "history",
        .summary = "List passes, or the steps of one leaf",
        .description = "Without LEAF: the passes, newest first. With LEAF: every step that was taken for it.",
        .arguments = {{.name = "LEAF", .help = "Address, id or Kind/name", .required = false}},
        .options =
            {stack_option(),
             {.name = "limit", .letter = 'n', .value = "NUMBER", .help = "Entries to show (default: 20)"}},
        .examples = {{"holdfast history -s web -n 5", "the last five passes"},
                     {"holdfast history File/motd", "one leaf's life"}}};
}

CommandSpec drift_command() {
    return {.name = "drift",
            .summary = "Show what was changed outside Git",
            .description = "Compares what the targets hold now with what was applied last and shows only "
                           "what differs although\n"
                           "the declaration did not change. Nothing is corrected.",
            .arguments = {},
            .options = joined(
                {{stack_option()}, leaf_options(), revision_options(), {exit_code_option(), all_option()}}),
            .examples = {{"holdfast drift --exit-code || mail -s drift ops", "in a cron job"}}};
}

CommandSpec output_command() {
    return {.name = "output",
            .summary = "Print values that targets gave to leaves",
            .description =
                "Prints the fields that the target sets (addresses, identifiers), which references in other\n"
                "documents can use. Secrets are masked.",
            .arguments = {{.name = "LEAF",
                           .help = "Only this leaf: address, id or Kind/name",
                           .required = false}},
            .options = {stack_option()},
            .examples = {{"holdfast output -s web", "all of a stack"},
                         {"holdfast --json output Instance/web-1", "for a script"}}};
}

CommandSpec import_command() {
    return {
        .name = "import",
        .summary = "Write documents for objects that exist already",
        .description =
            "Lists what a provider's target holds and no stack declares, as documents that are ready to be\n"
            "committed. The next apply adopts these objects instead of making them. Targets are not changed.",
        .arguments = {{.name = "PROVIDER", .help = "Provider instance to ask"},
                      {.name = "KIND", .help = "Only objects of this kind", .required = false}},
        .options = {{.name = "stack",
                     .letter = 's',
                     .value = "NAME",
                     .help = "Stack whose folder the documents are for"},
                    {.name = "scope", .value = "SCOPE", .help = "Only this scope of the target"},
                    {.name = "id",
                     .value = "GLOB",
                     .help = "Only objects whose identity matches (repeatable)",
                     .repeats = true},
                    {.name = "write",
                     .letter = 'w',
                     .help = "Write the files instead of printing them; none is overwritten"}},
        .examples = {{"holdfast import files File --id 'etc/*'", "print the documents"},
                     {"holdfast import files -s web --write", "write them into the stack's folder"}}};
}

CommandSpec forget_command() {
    return {.name = "forget",
            .summary = "Take a leaf out of the ledger; its object stays",
            .description = "From then on the object counts as foreign. If Git still declares it, the next "
                           "apply adopts it again.",
            .arguments = {{.name = "LEAF", .help = "Address, id or Kind/name"}},
            .options = {yes_option()},
            .examples = {
                {"holdfast forget web:host.holdfast.dev/File/motd", "leave the file alone from now on"}}};
}

CommandSpec approve_command() {
    return {.name = "approve",
            .summary = "Approve a parked plan by its hash",
            .description = "Allows exactly the plan with this hash, as `holdfast plan` shows it now; a "
                           "unique beginning of at "
                           "least 6 digits will do. Changes that need no approval never wait for it.\n"
                           "A plan made with --only, --exclude or --replace is another one: give the same "
                           "options here.",
            .arguments = {{.name = "PLAN", .help = "Hash of the plan"}},
            .options = joined({leaf_options(), {replace_option()}, revision_options()}),
            .examples = {{"holdfast approve 9d41c0ab12cd", "then: holdfast apply"}}};
}

ArgumentSpec stack_argument(std::string_view help) { return {.name = "STACK", .help = help}; }

OptionSpec reason_option() {
    return {.name = "reason", .value = "TEXT", .help = "Why, for those who look at `holdfast status`"};
}

CommandSpec sync_command() {
    return {
        .name = "sync",
        .summary = "Have the daemon look and reconcile now",
        .description = "Tells the daemon to look at its repository and to begin a pass of STACK, or of every "
                       "stack that is\n"
                       "not suspended, without waiting for the interval.",
        .arguments = {{.name = "STACK", .help = "Only this stack", .required = false}},
        .options = {{.name = "wait", .letter = 'w', .help = "Wait for the passes and show how they ended"},
                    {.name = "timeout",
                     .value = "DURATION",
                     .help = "With --wait: give up waiting after this (default: 15m)"}},
        .examples = {{"git push && holdfast sync web --wait", "apply what was just pushed"}}};
}

CommandSpec suspend_command() {
    return {.name = "suspend",
            .summary = "Have the daemon leave a stack alone",
            .description =
                "The daemon begins no pass of STACK until `holdfast resume`, also after a restart; one "
                "that runs\n"
                "stops between two writes. Meanwhile `holdfast apply` works on it directly.",
            .arguments = {stack_argument("Stack to leave alone")},
            .options = {reason_option()},
            .examples = {{"holdfast suspend web --reason 'disk is being replaced'", ""}}};
}

CommandSpec resume_command() {
    return {.name = "resume",
            .summary = "Have the daemon go on with a stack",
            .description = "Takes back `holdfast suspend` and `holdfast rollback`, and begins a pass.",
            .arguments = {stack_argument("Stack to go on with")},
            .options = {},
            .examples = {{"holdfast resume web", ""}}};
}

CommandSpec rollback_command() {
    return {.name = "rollback",
            .summary = "Hold a stack at an earlier commit",
            .description =
                "The daemon brings STACK to an earlier commit and holds it there, whatever is pushed, "
                "until\n"
                "`holdfast resume`. Without --to, that is the newest commit that was applied successfully\n"
                "and declared the stack otherwise than now. What was added since is deleted as in any\n"
                "plan, with the same limits. Mend the repository meanwhile.",
            .arguments = {stack_argument("Stack to roll back")},
            .options = {{.name = "to",
                         .value = "REV",
                         .help = "Branch, tag or commit of the daemon's repository"},
                        reason_option(),
                        {.name = "wait", .letter = 'w', .help = "Wait for the pass and show how it ended"}},
            .examples = {{"holdfast rollback web --wait", "back to what worked"},
                         {"holdfast rollback web --to 9d41c0a", "to a certain commit"}}};
}

CommandSpec confirm_command() {
    return {
        .name = "confirm",
        .summary = "Confirm a change that would revert itself",
        .description =
            "A change that may cut people off is taken back by itself unless somebody confirms in "
            "time that it\n"
            "did not. `holdfast status` shows what waits for that. Run it over a *new* connection: an old "
            "one may live\n"
            "on where no new one gets through.",
        .arguments = {{.name = "STACK",
                       .help = "Stack whose change stays; needed where several wait",
                       .required = false}},
        .options = {},
        .examples = {{"holdfast confirm", "the one that waits"}, {"holdfast confirm edge", ""}}};
}

CommandSpec graph_command() {
    return {.name = "graph",
            .summary = "Show what depends on what",
            .description = "Prints each stack's leaves under what they need, as a tree or for Graphviz.",
            .arguments = {},
            .options = {stack_option(), {.name = "dot", .help = "Graphviz's format"}},
            .examples = {{"holdfast graph -s web --dot | dot -Tsvg > web.svg", "a picture"}}};
}

CommandSpec schema_command() {
    return {.name = "schema",
            .summary = "Describe the fields of a kind",
            .description = "Without KIND: all kinds that the configured providers understand. With KIND: its "
                           "fields, or with\n"
                           "--json its JSON Schema, which editors can check documents with.",
            .arguments = {{.name = "KIND",
                           .help = "\"File\" or \"host.holdfast.dev/v1alpha1/File\"",
                           .required = false}},
            .options = {},
            .examples = {{"holdfast schema File", "a table of fields"},
                         {"holdfast --json schema File > file.schema.json", "for an editor"}}};
}

CommandSpec provider_command() {
    return {
        .name = "provider",
        .summary = "List or describe providers, or begin a new one",
        .description =
            "`list` shows the providers of holdfast.yaml with their plugins; `describe NAME` shows what one\n"
            "can do. Targets are not contacted. `new NAME` writes the folder provider-NAME, a small "
            "provider\n"
            "that builds against the installed SDK and passes its conformance test: a place to start from.",
        .arguments = {{.name = "ACTION",
                       .help = "list, describe or new",
                       .completes = Completes::choices,
                       .choices = {"list", "describe", "new"}},
                      {.name = "NAME", .help = "Provider to describe or to begin", .required = false}},
        .options = {{.name = "c", .help = "new: in C instead of C++"}},
        .examples = {{"holdfast provider list", ""},
                     {"holdfast provider describe files", ""},
                     {"holdfast provider new my-dns", "a new provider, in ./provider-my-dns"}}};
}

CommandSpec source_command() {
    return {
        .name = "source",
        .summary = "Show the sources of stacks, or fetch them",
        .description =
            "`list` shows what was fetched last of each source of holdfast.yaml, and what went wrong since; "
            "it asks\nno server. `fetch` fetches them now. Neither changes a target.",
        .arguments = {{.name = "ACTION",
                       .help = "list or fetch",
                       .completes = Completes::choices,
                       .choices = {"list", "fetch"}},
                      {.name = "NAME", .help = "Only this source (default: all)", .required = false}},
        .options = {},
        .examples = {{"holdfast source list", ""}, {"holdfast source fetch infra", ""}}};
}

CommandSpec access_command() {
    return {.name = "access",
            .summary = "Show who may do what where, as it was applied",
            .description = "`who-can TARGET` shows every account that was applied on a provider, with its "
                           "state, its groups and\n"
                           "who let it in; `show PERSON` shows all targets that a person has an account on, "
                           "also those that a\n"
                           "removal has not reached yet. Both read the ledger: no target is asked.",
            .arguments = {{.name = "ACTION",
                           .help = "who-can or show",
                           .completes = Completes::choices,
                           .choices = {"who-can", "show"}},
                          {.name = "NAME", .help = "Provider, or login of a person"}},
            .options = {},
            .examples = {{"holdfast access who-can web-1", ""},
                         {"holdfast --json access show ana", "for an auditor's script"}}};
}

CommandSpec store_command() {
    return {.name = "store",
            .summary = "Check, export, import or trim the store",
            .description = "`check` looks for damage and for steps that never ended; `export` writes "
                           "everything but the cache\n"
                           "as JSON lines; `import` reads that into an empty store; `trim` drops cached "
                           "documents that no pass\n"
                           "has used for 30 days. None of them touches a target.",
            .arguments = {{.name = "ACTION",
                           .help = "check, export, import or trim",
                           .completes = Completes::choices,
                           .choices = {"check", "export", "import", "trim"}},
                          {.name = "FILE",
                           .help = "File to write or read (default: standard output or input)",
                           .required = false,
                           .completes = Completes::file}},
            .options = {{.name = "all",
                         .help = "trim: drop the whole cache and what is remembered of comparisons; the "
                                 "next pass reads and compares everything anew"}},
            .examples = {{"holdfast store check", ""},
                         {"holdfast store export backup.jsonl", "a backup"},
                         {"holdfast store trim --all", "measure, or doubt, what is remembered"}}};
}

CommandSpec version_command() {
    return {.name = "version",
            .summary = "Print the version",
            .description = "Prints the version of Holdfast and of the plugin contract.",
            .arguments = {},
            .options = {},
            .examples = {{"holdfast version", ""}}};
}

CommandSpec completion_command() {
    return {
        .name = "completion",
        .summary = "Print the completion script for a shell",
        .description = "Prints a script that makes the shell complete commands, options and files.",
        .arguments = {{.name = "SHELL",
                       .help = "bash, zsh or fish",
                       .completes = Completes::choices,
                       .choices = {"bash", "zsh", "fish"}}},
        .options = {},
        .examples = {{"source <(holdfast completion bash)", "for this shell"},
                     {"holdfast completion fish > ~/.config/fish/completions/holdfast.fish", "for good"}}};
}

CommandSpec help_command() {
    return {.name = "help",
            .summary = "Explain a command",
            .description = "The same as `holdfast COMMAND --help`.",
            .arguments = {{.name = "COMMAND", .help = "Command to explain", .required = false}},
            .options = {{.name = "man", .help = "Print the manual page of all commands, for man(1)"}},
            .examples = {{"holdfast help apply", ""}, {"holdfast help --man | man -l -", "all of it"}}};
}

} // namespace

const std::vector<CommandSpec>& command_table() {
    static const std::vector<CommandSpec> table{
        init_command(),       validate_command(), plan_command(),    apply_command(), destroy_command(),
        status_command(),     why_command(),      history_command(), drift_command(), output_command(),
        import_command(),     forget_command(),   approve_command(), sync_command(),  suspend_command(),
        resume_command(),     rollback_command(), confirm_command(), graph_command(), schema_command(),
        provider_command(),   source_command(),   access_command(),  store_command(), version_command(),
        completion_command(), help_command()};
    return table;
}

const std::vector<OptionSpec>& global_option_table() {
    static const std::vector<OptionSpec> table{
        {.name = "directory",
         .letter = 'C',
         .value = "DIR",
         .help = "Work as if started in DIR",
         .completes = Completes::directory},
        {.name = "json", .help = "Print JSON for programs instead of text"},
        {.name = "color",
         .value = "WHEN",
         .help = "Use colour: auto (on a terminal), always, never",
         .completes = Completes::choices,
         .choices = {"auto", "always", "never"}},
        {.name = "verbose", .letter = 'v', .help = "Tell more: one line for each finished leaf"},
        {.name = "store", .value = "PATH", .help = "Folder of the store", .completes = Completes::directory},
        {.name = "config",
         .value = "FILE",
         .help = "The operator's configuration",
         .completes = Completes::file},
        {.name = "help", .letter = 'h', .help = "Explain the command"}};
    return table;
}

const CommandSpec* find_command(std::string_view name) {
    const auto& table = command_table();
    const auto at =
        std::find_if(table.begin(), table.end(), [&](const CommandSpec& c) { return c.name == name; });
    return at == table.end() ? nullptr : &*at;
}

} // namespace holdfast
