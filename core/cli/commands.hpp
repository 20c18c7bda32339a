#pragma once
// The commands, one file each in commands/. Each returns an exit code and throws only `Error`.

#include "cli/context.hpp"
#include "cli/options.hpp"

namespace holdfast {

int run_init(const InitOptions& options, Context& context);
int run_validate(const ValidateOptions& options, Context& context);
int run_plan(const PlanOptions& options, Context& context);
int run_apply(const ApplyOptions& options, Context& context);
int run_destroy(const DestroyOptions& options, Context& context);
int run_status(const StatusOptions& options, Context& context);
int run_why(const WhyOptions& options, Context& context);
int run_history(const HistoryOptions& options, Context& context);
int run_drift(const DriftOptions& options, Context& context);
int run_output(const OutputOptions& options, Context& context);
int run_import(const ImportCommandOptions& options, Context& context);
int run_forget(const ForgetOptions& options, Context& context);
int run_approve(const ApproveOptions& options, Context& context);
int run_sync(const SyncOptions& options, Context& context);
int run_suspend(const SuspendOptions& options, Context& context);
int run_resume(const ResumeOptions& options, Context& context);
int run_rollback(const RollbackOptions& options, Context& context);
int run_confirm(const ConfirmOptions& options, Context& context);
int run_graph(const GraphOptions& options, Context& context);
int run_schema(const SchemaOptions& options, Context& context);
int run_provider(const ProviderOptions& options, Context& context);
int run_provider_new(const ProviderOptions& options, Context& context);
int run_source(const SourceOptions& options, Context& context);
int run_access(const AccessOptions& options, Context& context);
int run_store(const StoreCommandOptions& options, Context& context);
int run_version(const VersionOptions& options, Context& context);
int run_completion(const CompletionOptions& options, Context& context);
int run_help(const HelpOptions& options, Context& context);

// Runs the command and turns an `Error` into its report.
int run_command(const Invocation& invocation, Context& context);

} // namespace holdfast
