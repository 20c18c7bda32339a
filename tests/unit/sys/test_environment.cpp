#include "sys/environment.hpp"

#include <cstdlib>

#include <unistd.h>

#include "support/catch.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/random.hpp"

using namespace holdfast;

namespace {

class Variable {
public:
    Variable(const char* name, const char* value) : name_(name), before_(environment(name)) {
        if (value)
            setenv(name, value, 1);
        else
            unsetenv(name);
    }
    ~Variable() {
        if (before_)
            setenv(name_, before_->c_str(), 1);
        else
            unsetenv(name_);
    }

private:
    const char* name_;
    std::optional<std::string> before_;
};

} // namespace

TEST_CASE("folders follow the XDG base directory specification") {
    const Variable home("HOME", "/home/ana");
    SECTION("variables win") {
        const Variable state("XDG_STATE_HOME", "/s"), config("XDG_CONFIG_HOME", "/c");
        CHECK(state_directory() == "/s/holdfast");
        CHECK(config_directory() == "/c/holdfast");
    }
    SECTION("without them they are below the home") {
        const Variable state("XDG_STATE_HOME", nullptr), config("XDG_CONFIG_HOME", nullptr);
        CHECK(state_directory() ==
              (geteuid() == 0 ? "/var/lib/holdfast" : "/home/ana/.local/state/holdfast"));
        CHECK(config_directory() == "/home/ana/.config/holdfast");
    }
    SECTION("a relative one is ignored") {
        const Variable config("XDG_CONFIG_HOME", "here");
        CHECK(config_directory() == "/home/ana/.config/holdfast");
    }
}

TEST_CASE("an empty variable counts as not set") {
    const Variable variable("HOLDFAST_TEST_EMPTY", "");
    CHECK_FALSE(environment("HOLDFAST_TEST_EMPTY").has_value());
}

TEST_CASE("the actor is who called sudo, at this host") {
    const std::string host = this_process().host;
    const Variable caller("SUDO_USER", "li");
    if (geteuid() == 0)
        CHECK(actor() == "li@" + host);
    else
        CHECK(actor() != "li@" + host);
    CHECK_THAT(actor(), ContainsSubstring("@"));
}

TEST_CASE("a process can be told from its namesakes") {
    const ProcessIdentity self = this_process();
    CHECK(self.pid == getpid());
    CHECK_FALSE(self.host.empty());
    CHECK(self == this_process());
    CHECK(exists(executable_path()));
}

TEST_CASE("random bytes differ") {
    CHECK(random_bytes(32).size() == 32);
    CHECK(random_bytes(32) != random_bytes(32));
}
