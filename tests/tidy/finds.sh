#!/usr/bin/env bash
# A check that cannot fail is none: builds a tiny tree with one violation of each kind and expects the
# program `tidy` ($1) to name every one of them, and nothing else.
set -euo pipefail

tidy=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
put() { mkdir -p "$(dirname "$tree/$1")"; cat >"$tree/$1"; }

echo 'foreach(folder base model daemon cli)' | put core/CMakeLists.txt
put core/base/low.cpp <<'END'
#include "model/high.hpp"
#include "elsewhere/thing.hpp"
#include <git2.h>
#include <regex>
auto a = failure("base.not-listed", "...");
auto b = failure("base.listed", "see holdfast.yaml, \"base.quoted\"");  // "base.in-comment"
auto c = "some.thing";  // tidy: not a code
END
printf 'int base;\n' | put core/base/bare.hpp
printf '#pragma once\nint no_purpose;\n' | put core/base/mute.hpp
printf '#pragma once\n// One.\nclass Twin;\nstruct Twin {\n};\n' | put core/base/twin.hpp
printf '#pragma once\n// Another.\nclass Twin final : public Base {\n};\n' | put core/model/twin.hpp
printf '// %0120d\nint blank; \n' 0 | put core/model/wide.cpp
{ echo 'void long_one() {'; seq -f '    f(%g);' 80; echo '}'; echo 'void short_one() {'; echo '}'; } | put core/model/long.cpp
{ echo 'class A {'; echo '    int method() {'; seq -f '        f(%g);' 80; echo '    }'; echo '};'; } | put core/model/class.cpp
printf '#include "base/low.hpp"\n#include <holdfast/provider.hpp>\n' | put plugins/host/host.cpp
printf '#include "model/high.hpp"\n#include "cli/high.hpp"\n#include "stage.hpp"\n' | put sdk/conformance/kit.cpp
printf '#include "daemon/daemon.hpp"\n' | put core/cli/sees.cpp
printf '#include <catch2/catch.hpp>\n' | put tests/unit/test.cpp
printf 'see /wo%s/there\n' rk | put docs/path.md
printf 'base.listed: it is.\nbase.unused: it is not.\nnonsense\n' | put docs/diagnostics.d/a.txt
printf 'base.listed: twice.\n' | put docs/diagnostics.d/b.txt

cat >"$work/expected" <<'END'
core/base/bare.hpp:1: a header begins with #pragma once
core/base/bare.hpp:2: a header says first what it is for
core/base/low.cpp:1: core/base is below core/model and may not include it
core/base/low.cpp:2: include "folder/file.hpp", not "elsewhere/thing.hpp"
core/base/low.cpp:3: core/base may not include <git2.h>
core/base/low.cpp:4: core/base may not include <regex>
core/base/low.cpp:5: base.not-listed is not explained in docs/diagnostics.d (or say "tidy: not a code")
core/base/mute.hpp:2: a header says first what it is for
core/cli/sees.cpp:1: cli and daemon do not see each other: what both need stands in core/control
core/model/class.cpp:2: a function of 82 lines; 70 is the limit
core/model/long.cpp:1: a function of 82 lines; 70 is the limit
core/model/twin.hpp:3: there is a class Twin in core/base/twin.hpp as well
core/model/wide.cpp:1: longer than 110 columns
core/model/wide.cpp:2: blank at the end of the line
docs/diagnostics.d/a.txt:2: base.unused is used nowhere
docs/diagnostics.d/a.txt:3: not "code: explanation"
docs/diagnostics.d/b.txt:1: base.listed is listed in docs/diagnostics.d/a.txt as well
docs/path.md:1: names a machine's path, /wo@rk/
plugins/host/host.cpp:1: plugins and the SDK see only <holdfast/...>, not "base/low.hpp"
sdk/conformance/kit.cpp:2: the conformance kit may not include "cli/high.hpp"
tests/unit/test.cpp:1: tests include "support/catch.hpp", which knows both versions of Catch2
END
sed -i 's/@//' "$work/expected"  # this script names no machine's path itself

status=0
found=$("$tidy" "$tree") || status=$?
[ $status = 1 ] || { echo "tidy exited with $status instead of 1"; exit 1; }
diff --unified=0 "$work/expected" <(sed '$d' <<<"$found" | LC_ALL=C sort)
