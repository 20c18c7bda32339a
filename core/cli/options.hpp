#pragma once
// What a person asked for, as plain data: one struct per command. Filled by arguments.cpp.

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

enum class ColourChoice { automatic, always, never };

struct GlobalOptions {
    std::string directory = ".";
    bool json = false;
    ColourChoice colour = ColourChoice::automatic;
    bool verbose = false;
    std::string store;
    std::string config;
};

// Which stacks, which leaves, at which revision.
struct Selection {
    std::vector<std::string> stacks, only, exclude, replace;
    std::string revision = "HEAD";
    bool working_tree = false;
    bool offline = false;
};

struct InitOptions {
    std::string name = "web";
};
struct ValidateOptions {
    Selection selection;
};
struct PlanOptions {
    Selection selection;
    std::string out;
    bool exit_code = false, all = false, destroy = false;
};
struct ApplyOptions {
    Selection selection;
    std::string plan;
    bool yes = false, all = false;
    std::string confirm_within; // a duration; empty: not asked for
};
struct DestroyOptions {
    Selection selection;
    bool yes = false, all = false;
};
struct StatusOptions {
    std::vector<std::string> stacks;
};
struct WhyOptions {
    std::string leaf;
    std::size_t limit = 10;
};
struct HistoryOptions {
    std::string leaf;
    std::vector<std::string> stacks;
    std::size_t limit = 20;
};
struct DriftOptions {
    Selection selection;
    bool exit_code = false, all = false;
};
struct OutputOptions {
    std::string leaf;
    std::vector<std::string> stacks;
};
struct ImportCommandOptions {
    std::string provider, kind, scope, stack;
    std::vector<std::string> identities;
    bool write = false;
};
struct ForgetOptions {
    std::string leaf;
    bool yes = false;
};
struct ApproveOptions {
    std::string plan;
    Selection selection; // of the plan, but for its stacks
};
struct SyncOptions {
    std::string stack; // empty: all
    bool wait = false;
    std::string timeout = "15m";
};
struct SuspendOptions {
    std::string stack, reason;
};
struct ResumeOptions {
    std::string stack;
};
struct RollbackOptions {
    std::string stack, to, reason;
    bool wait = false;
};
struct ConfirmOptions {
    std::string stack;
};
struct GraphOptions {
    std::vector<std::string> stacks;
    bool dot = false;
};
struct SchemaOptions {
    std::string kind;
};
struct ProviderOptions {
    std::string action, name;
    bool c = false; // new: a template in C
};
struct SourceOptions {
    std::string action, name; // an empty name: all
};
struct AccessOptions {
    std::string action, name; // who-can TARGET, show PERSON
};
struct StoreCommandOptions {
    std::string action, file;
    bool all = false; // trim
};
struct VersionOptions {};
struct CompletionOptions {
    std::string shell;
};
// "holdfast --help", "holdfast help plan", "holdfast plan --help"; an empty command is the program itself.
struct HelpOptions {
    std::string command;
    bool man = false;
};

using CommandOptions =
    std::variant<InitOptions, ValidateOptions, PlanOptions, ApplyOptions, DestroyOptions, StatusOptions,
                 WhyOptions, HistoryOptions, DriftOptions, OutputOptions, ImportCommandOptions, ForgetOptions,
                 ApproveOptions, SyncOptions, SuspendOptions, ResumeOptions, RollbackOptions, ConfirmOptions,
                 GraphOptions, SchemaOptions, ProviderOptions, SourceOptions, AccessOptions,
                 StoreCommandOptions, VersionOptions, CompletionOptions, HelpOptions>;

struct Invocation {
    GlobalOptions global;
    CommandOptions command;
};

} // namespace holdfast
