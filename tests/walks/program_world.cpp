#include "world.hpp"

namespace holdfast::walks {

std::unique_ptr<World> make_program_world(const WorldOptions& options, Mode) {
    return make_engine_world(options);
}

} // namespace holdfast::walks
