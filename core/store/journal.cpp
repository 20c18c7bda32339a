#include "store/journal.hpp"

#include <algorithm>
#include <limits>

namespace holdfast {

namespace {

#define HOLDFAST_PASS_COLUMNS                                                                                \
    "id, stack, command, actor, commit_id, commit_subject, commit_author, plan_hash, "                       \
    "CASE WHEN is_reverted THEN 'reverted' ELSE state END, started_ms, ended_ms, summary"
#define HOLDFAST_WRITTEN_PASS_COLUMNS                                                                        \
    "id, stack, command, actor, commit_id, commit_subject, commit_author, plan_hash, state, "                \
    "started_ms, ended_ms, summary, is_reverted"
#define HOLDFAST_STEP_COLUMNS                                                                                \
    "sequence, pass, stack, group_name, kind, name_space, name, part, action, state, commit_id, changes, "   \
    "message, at_ms"

PassRecord read_pass(Query& row) {
    PassRecord pass;
    std::string_view state;
    row.read(pass.id, pass.stack, pass.command, pass.actor, pass.commit, pass.commit_subject,
             pass.commit_author, pass.plan_hash, state, pass.started_ms, pass.ended_ms, pass.summary);
    pass.state = pass_state_from(state).value_or(PassState::interrupted); // the table's CHECK allows no other
    return pass;
}

JournalStep read_step(Query& row) {
    JournalStep step;
    std::string_view action, state;
    ResourceId& id = step.address.id;
    row.read(step.sequence, step.pass, step.address.stack, id.group, id.kind, id.name_space, id.name, id.part,
             action, state, step.commit, step.changes, step.message, step.at_ms);
    step.action = action_from(action).value_or(Action::none);
    step.state = step_state_from(state).value_or(StepState::unknown);
    return step;
}

std::vector<JournalStep> read_steps(Query& rows) {
    std::vector<JournalStep> steps;
    while (rows.next()) steps.push_back(read_step(rows));
    return steps;
}

constexpr std::int64_t nothing_given = 0;

std::int64_t sql_limit(std::size_t limit) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::int64_t>(std::min(limit, most));
}

} // namespace

std::string_view to_string(PassState state) {
    switch (state) {
        case PassState::running: return "running";
        case PassState::done: return "done";
        case PassState::failed: return "failed";
        case PassState::parked: return "parked";
        case PassState::interrupted: return "interrupted";
        case PassState::reverted: return "reverted";
    }
    return "interrupted";
}

std::string_view to_string(StepState state) {
    switch (state) {
        case StepState::intended: return "intended";
        case StepState::done: return "done";
        case StepState::unchanged: return "unchanged";
        case StepState::failed: return "failed";
        case StepState::partial: return "partial";
        case StepState::unknown: return "unknown";
        case StepState::skipped: return "skipped";
    }
    return "unknown";
}

std::optional<PassState> pass_state_from(std::string_view word) {
    for (const PassState state : {PassState::running, PassState::done, PassState::failed, PassState::parked,
                                  PassState::interrupted, PassState::reverted})
        if (word == to_string(state)) return state;
    return std::nullopt;
}

std::optional<StepState> step_state_from(std::string_view word) {
    for (const StepState state :
         {StepState::intended, StepState::done, StepState::unchanged, StepState::failed, StepState::partial,
          StepState::unknown, StepState::skipped})
        if (word == to_string(state)) return state;
    return std::nullopt;
}

void JournalTable::append(const JournalStep& step) {
    const bool is_intent = step.state == StepState::intended;
    insert(nothing_given, step, is_intent ? 0 : step.sequence);
}

void JournalTable::restore(const JournalStep& step, std::int64_t intent) {
    insert(step.sequence, step, intent);
}

void JournalTable::insert(std::int64_t sequence, const JournalStep& step, std::int64_t intent) {
    const ResourceId& id = step.address.id;
    const std::string action(to_string(step.action)), state(to_string(step.state));
    database_
        .query(
            "INSERT INTO journal (sequence, pass, stack, group_name, kind, name_space, name, part, action, "
            "state, intent, commit_id, changes, message, at_ms) VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, "
            "?7, "
            "?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)")
        .run(sequence, step.pass, step.address.stack, id.group, id.kind, id.name_space, id.name, id.part,
             action, state, intent, step.commit, step.changes, step.message, step.at_ms);
    if (step.state == StepState::intended)
        open(step);
    else
        close(step, intent);
}

void JournalTable::open(const JournalStep& step) {
    const ResourceId& id = step.address.id;
    const std::string action(to_string(step.action));
    database_
        .query(
            "INSERT INTO open_step (sequence, pass, stack, group_name, kind, name_space, name, part, action) "
            "VALUES (last_insert_rowid(), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
        .run(step.pass, step.address.stack, id.group, id.kind, id.name_space, id.name, id.part, action);
}

// An outcome that names an intended step closes that one. Any other closes what its own pass intended for
// the leaf with the same action (a replace has two steps), and everything that earlier passes intended:
// whoever acts on a leaf has found out before what became of it.
void JournalTable::close(const JournalStep& step, std::int64_t intent) {
    if (intent != 0) {
        database_.query("DELETE FROM open_step WHERE sequence = ?1").run(intent);
        return;
    }
    const ResourceId& id = step.address.id;
    const std::string action(to_string(step.action));
    database_
        .query("DELETE FROM open_step WHERE name = ?1 AND part = ?2 AND kind = ?3 AND stack = ?4 AND "
               "name_space = ?5 AND group_name = ?6 AND (pass <> ?7 OR action = ?8)")
        .run(id.name, id.part, id.kind, step.address.stack, id.name_space, id.group, step.pass, action);
}

namespace {

// The table's CHECK is older than PassState::reverted, which has a column of its own.
std::string state_column(const PassRecord& pass) {
    return std::string(to_string(pass.state == PassState::reverted ? PassState::failed : pass.state));
}

} // namespace

void JournalTable::begin(const PassRecord& pass) {
    const std::string state = state_column(pass);
    database_
        .query("INSERT INTO pass (" HOLDFAST_WRITTEN_PASS_COLUMNS
               ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")
        .run(pass.id, pass.stack, pass.command, pass.actor, pass.commit, pass.commit_subject,
             pass.commit_author, pass.plan_hash, state, pass.started_ms, pass.ended_ms, pass.summary,
             pass.state == PassState::reverted);
}

void JournalTable::mark_interrupted(const std::string& stack, std::int64_t at_ms) {
    database_
        .query("UPDATE pass SET state = 'interrupted', ended_ms = ?2 WHERE stack = ?1 AND state = 'running'")
        .run(stack, at_ms);
}

void JournalTable::end(const PassRecord& pass) {
    const std::string state = state_column(pass);
    database_
        .query("INSERT INTO pass (" HOLDFAST_WRITTEN_PASS_COLUMNS
               ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
               "ON CONFLICT (id) DO UPDATE SET stack = ?2, command = ?3, actor = ?4, commit_id = ?5, "
               "commit_subject = ?6, commit_author = ?7, plan_hash = ?8, state = ?9, started_ms = ?10, "
               "ended_ms = ?11, summary = ?12, is_reverted = ?13")
        .run(pass.id, pass.stack, pass.command, pass.actor, pass.commit, pass.commit_subject,
             pass.commit_author, pass.plan_hash, state, pass.started_ms, pass.ended_ms, pass.summary,
             pass.state == PassState::reverted);
}

std::vector<PassRecord> JournalTable::passes(std::string_view stack, std::size_t limit) {
    const std::string name(stack);
    const std::int64_t most = sql_limit(limit);
    Query rows = name.empty() ? database_.query("SELECT " HOLDFAST_PASS_COLUMNS
                                                " FROM pass WHERE ?1 = '' ORDER BY id DESC LIMIT ?2")
                              : database_.query("SELECT " HOLDFAST_PASS_COLUMNS
                                                " FROM pass WHERE stack = ?1 ORDER BY id DESC LIMIT ?2");
    rows.start(name, most);
    std::vector<PassRecord> passes;
    while (rows.next()) passes.push_back(read_pass(rows));
    return passes;
}

std::vector<JournalStep> JournalTable::steps_of_pass(std::string_view pass) {
    const std::string id(pass);
    Query rows =
        database_.query("SELECT " HOLDFAST_STEP_COLUMNS " FROM journal WHERE pass = ?1 ORDER BY sequence");
    return read_steps(rows.start(id));
}

std::vector<JournalStep> JournalTable::steps_of(const Address& address, std::size_t limit) {
    const ResourceId& id = address.id;
    const std::int64_t most = sql_limit(limit);
    Query rows =
        database_.query("SELECT " HOLDFAST_STEP_COLUMNS
                        " FROM journal WHERE name = ?1 AND part = ?2 AND kind = ?3 AND stack = ?4 AND "
                        "name_space = ?5 AND group_name = ?6 ORDER BY sequence DESC LIMIT ?7");
    return read_steps(rows.start(id.name, id.part, id.kind, address.stack, id.name_space, id.group, most));
}

std::vector<JournalStep> JournalTable::open_steps(std::string_view stack) {
    const std::string name(stack);
    Query rows =
        database_.query("SELECT " HOLDFAST_STEP_COLUMNS
                        " FROM journal WHERE sequence IN (SELECT s.sequence FROM open_step s JOIN pass p "
                        "ON p.id = s.pass WHERE p.state <> 'done' AND (p.stack = ?1 OR ?1 = '')) "
                        "ORDER BY sequence");
    return read_steps(rows.start(name));
}

void JournalTable::for_each_pass(const std::function<void(const PassRecord&)>& visit) {
    Query rows = database_.query("SELECT " HOLDFAST_PASS_COLUMNS " FROM pass ORDER BY id");
    while (rows.next()) visit(read_pass(rows));
}

void JournalTable::for_each_step(const std::function<void(const JournalStep&, std::int64_t intent)>& visit) {
    Query rows = database_.query("SELECT " HOLDFAST_STEP_COLUMNS ", intent FROM journal ORDER BY sequence");
    while (rows.next()) {
        std::int64_t intent = 0;
        rows.read_from(14, intent);
        visit(read_step(rows), intent);
    }
}

} // namespace holdfast
