#include "git/mirror_pack.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/core.h>

#include "sys/file.hpp"

namespace holdfast::git {

namespace {

namespace fs = std::filesystem;

using PackBuilder = Owned<git_packbuilder, git_packbuilder_free>;

struct LooseObject {
    git_oid id;
    fs::path file;
};

Status cannot_pack(std::string_view why) {
    return failure("source.cannot-write", fmt::format("the mirror's objects cannot be packed: {}", why),
                   "look for a full disk, and at the owner of the store's folder");
}

std::vector<LooseObject> loose_objects(const fs::path& objects) {
    std::vector<LooseObject> found;
    for (unsigned first = 0; first < 256; ++first) {
        const std::string folder = fmt::format("{:02x}", first);
        std::error_code gone;
        for (const auto& entry : fs::directory_iterator(objects / folder, gone)) {
            const std::string id = folder + entry.path().filename().string();
            LooseObject object{{}, entry.path()};
            if (id.size() == 40 && git_oid_fromstr(&object.id, id.c_str()) == 0)
                found.push_back(std::move(object));
        }
    }
    return found;
}

bool make_durable(const fs::path& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return file && fsync(file.get()) == 0;
}

// The pack before its index: nobody looks for a pack whose index he does not see.
Status move_in(const fs::path& from, const fs::path& packs) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from, error)) files.push_back(entry.path());
    std::sort(files.begin(), files.end(),
              [](const fs::path& a, const fs::path& b) { return a.extension() > b.extension(); });
    for (const fs::path& file : files) {
        if (!make_durable(file)) return cannot_pack("it cannot be written to the disk");
        fs::rename(file, packs / file.filename(), error);
        if (error) return cannot_pack(error.message());
    }
    return make_durable(packs) ? Status(Ok{}) : cannot_pack("its folder cannot be written to the disk");
}

} // namespace

Status pack_if_many_are_loose(git_repository& mirror, const std::string& folder, std::size_t many) {
    const fs::path objects = fs::path(git_repository_path(&mirror)) / "objects";
    const std::vector<LooseObject> loose = loose_objects(objects);
    if (loose.size() < many) return Ok{};
    git_packbuilder* made = nullptr;
    if (git_packbuilder_new(&made, &mirror)) return cannot_pack(last_error());
    const PackBuilder builder(made);
    git_packbuilder_set_threads(made, 1);
    for (const LooseObject& object : loose)
        if (git_packbuilder_insert(made, &object.id, nullptr)) return cannot_pack(last_error());
    const std::string beside = folder + "/loose";
    if (Status folder_made = make_directories(beside, 0700); !folder_made) return folder_made;
    if (git_packbuilder_write(made, beside.c_str(), 0444, nullptr, nullptr)) return cannot_pack(last_error());
    if (Status moved = move_in(beside, objects / "pack"); !moved) return moved;
    const OwnedOdb odb = odb_of(mirror);
    if (!odb) return cannot_pack(last_error());
    git_odb_refresh(odb.get());
    std::error_code ignored; // one that stays is there twice
    fs::remove_all(beside, ignored);
    for (const LooseObject& object : loose) fs::remove(object.file, ignored);
    return Ok{};
}

} // namespace holdfast::git
