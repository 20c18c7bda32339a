#include "confirm/supervise.hpp"

#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "sys/clock.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

// Where inotify cannot be had, or misses something (a store on a network file system), the folder is looked
// at this often.
constexpr int look_ms = 1000;

class Supervision {
public:
    Supervision(const Checkpoint& checkpoint, int lifeline) : checkpoint_(checkpoint), lifeline_(lifeline) {
        deadline_ = clock_.uptime() + milliseconds(checkpoint.apply_limit_ms);
        inotify_ = Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        inotify_add_watch(inotify_.get(), checkpoint.directory.c_str(),
                          IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF);
        timer_ = Fd(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        signals_ = Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    }

    // The verdict, given by us where the time is over or we are told to end.
    GivenVerdict wait() {
        for (;;) {
            if (!is_applied_ && exists(checkpoint_.directory + "/applied")) begin_countdown();
            const GivenVerdict given = read_verdict(checkpoint_.directory);
            if (given.verdict != Verdict::none) return given;
            if (clock_.uptime() >= deadline_) {
                give(Verdict::expired, is_applied_ ? "nobody confirmed in time" : "the writing did not end");
                continue;
            }
            wait_for_something();
        }
    }

private:
    void begin_countdown() {
        is_applied_ = true;
        deadline_ = std::min(deadline_, clock_.uptime() + milliseconds(checkpoint_.timeout_ms));
    }

    void give(Verdict verdict, const std::string& why) {
        const GivenVerdict given{.verdict = verdict, .by = "", .why = why, .at_ms = clock_.now_ms()};
        if (give_verdict(checkpoint_.directory, given)) return;
        // Another one was first, or the disk is so full that not even a name can be made: try again soon.
        if (read_verdict(checkpoint_.directory).verdict == Verdict::none) usleep(look_ms * 1000);
    }

    void wait_for_something() {
        const auto left = deadline_ - clock_.uptime();
        itimerspec alarm{};
        alarm.it_value.tv_sec = left.count() / 1000;
        alarm.it_value.tv_nsec = left.count() % 1000 * 1'000'000 + 1;
        timerfd_settime(timer_.get(), 0, &alarm, nullptr);
        pollfd waits[] = {{inotify_.get(), POLLIN, 0},
                          {timer_.get(), POLLIN, 0},
                          {signals_.get(), POLLIN, 0},
                          {lifeline_, POLLIN, 0}};
        if (poll(waits, std::size(waits), look_ms) <= 0) return;
        char buffer[4096];
        if (waits[0].revents != 0)
            while (read(inotify_.get(), buffer, sizeof buffer) > 0) {
            }
        if (waits[1].revents != 0) (void)!read(timer_.get(), buffer, 8);
        if (waits[2].revents != 0) {
            (void)!read(signals_.get(), buffer, sizeof buffer);
            give(Verdict::revert, "the supervisor was told to end");
        }
        if (waits[3].revents != 0 && read(lifeline_, buffer, sizeof buffer) <= 0) {
            lifeline_ = -1; // the engine is gone, or has let go: either way nothing is written any more
            if (!is_applied_) {
                mark_applied(checkpoint_.directory);
                begin_countdown();
            }
        }
    }

    const Checkpoint& checkpoint_;
    int lifeline_;
    SystemClock clock_;
    milliseconds deadline_{};
    bool is_applied_ = false;
    Fd inotify_, timer_, signals_;
};

bool act_on(const Checkpoint& checkpoint, const GivenVerdict& given,
            const std::function<Reverted(const Checkpoint&)>& restore) {
    if (given.verdict != Verdict::confirmed) return restore(checkpoint).is_complete;
    remove_checkpoint(checkpoint.directory);
    return true;
}

} // namespace

bool supervise(const Checkpoint& checkpoint, int lifeline,
               const std::function<Reverted(const Checkpoint&)>& restore) {
    return act_on(checkpoint, Supervision(checkpoint, lifeline).wait(), restore);
}

bool end_checkpoint(const Checkpoint& checkpoint, const GivenVerdict& otherwise,
                    const std::function<Reverted(const Checkpoint&)>& restore) {
    give_verdict(checkpoint.directory, otherwise);
    GivenVerdict given = read_verdict(checkpoint.directory);
    if (given.verdict == Verdict::none) given = otherwise; // the disk is full: the safe side needs no name
    if (const auto reverted = read_reverted(checkpoint.directory); reverted && reverted->is_complete)
        return true; // the engine takes it in
    return act_on(checkpoint, given, restore);
}

} // namespace holdfast
