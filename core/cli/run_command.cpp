#include <cassert>

#include "cli/commands.hpp"

namespace holdfast {

namespace {

int dispatch(const InitOptions& options, Context& context) { return run_init(options, context); }
int dispatch(const ValidateOptions& options, Context& context) { return run_validate(options, context); }
int dispatch(const PlanOptions& options, Context& context) { return run_plan(options, context); }
int dispatch(const ApplyOptions& options, Context& context) { return run_apply(options, context); }
int dispatch(const DestroyOptions& options, Context& context) { return run_destroy(options, context); }
int dispatch(const StatusOptions& options, Context& context) { return run_status(options, context); }
int dispatch(const WhyOptions& options, Context& context) { return run_why(options, context); }
int dispatch(const HistoryOptions& options, Context& context) { return run_history(options, context); }
int dispatch(const DriftOptions& options, Context& context) { return run_drift(options, context); }
int dispatch(const OutputOptions& options, Context& context) { return run_output(options, context); }
int dispatch(const ImportCommandOptions& options, Context& context) { return run_import(options, context); }
int dispatch(const ForgetOptions& options, Context& context) { return run_forget(options, context); }
int dispatch(const ApproveOptions& options, Context& context) { return run_approve(options, context); }
int dispatch(const SyncOptions& options, Context& context) { return run_sync(options, context); }
int dispatch(const SuspendOptions& options, Context& context) { return run_suspend(options, context); }
int dispatch(const ResumeOptions& options, Context& context) { return run_resume(options, context); }
int dispatch(const RollbackOptions& options, Context& context) { return run_rollback(options, context); }
int dispatch(const ConfirmOptions& options, Context& context) { return run_confirm(options, context); }
int dispatch(const GraphOptions& options, Context& context) { return run_graph(options, context); }
int dispatch(const SchemaOptions& options, Context& context) { return run_schema(options, context); }
int dispatch(const ProviderOptions& options, Context& context) { return run_provider(options, context); }
int dispatch(const SourceOptions& options, Context& context) { return run_source(options, context); }
int dispatch(const AccessOptions& options, Context& context) { return run_access(options, context); }
int dispatch(const StoreCommandOptions& options, Context& context) { return run_store(options, context); }
int dispatch(const VersionOptions& options, Context& context) { return run_version(options, context); }
int dispatch(const CompletionOptions& options, Context& context) { return run_completion(options, context); }
int dispatch(const HelpOptions& options, Context& context) { return run_help(options, context); }

} // namespace

int run_command(const Invocation& invocation, Context& context) {
    try {
        return std::visit([&](const auto& options) { return dispatch(options, context); },
                          invocation.command);
    } catch (const Error& error) {
        return context.fail(error.diagnostic());
    }
}

} // namespace holdfast
