#pragma once
// What the ledger keeps for us with an object: which one it was, and what was written and stood there then.

#include <string>
#include <utility>

#include "document.hpp"

namespace holdfast::kubernetes {

// Of a declared document and of what stands there (content_hash); 0 where there is none.
using Hashes = std::pair<std::size_t, std::size_t>;
Hashes hashes_of(const sdk::Item& item);
// Zeros where nothing of the kind is kept, as for Secrets: a hash without a key may be guessed.
Hashes hashes_in(std::string_view private_data);
std::string uid_in(std::string_view private_data);
// The ApplySet that it was left in, or "".
std::string set_in(std::string_view private_data);
// Of holdfast.dev/refresh-on, the hash that was acted on last.
std::string refreshed_in(std::string_view private_data);

// The document of `item` has been written, in another form than it has now.
bool was_written_otherwise(const sdk::Item& item);

// A hook that has been seen to succeed.
bool has_succeeded_in(std::string_view private_data);
std::string as_succeeded(std::string_view private_data);

std::string private_data_of(const sdk::Item& item, const Json& live);

} // namespace holdfast::kubernetes
