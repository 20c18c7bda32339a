#pragma once
// What a role may do, as people write it and as catalogs hold it:
//   SELECT, INSERT ON TABLE public.orders      ALL ON TABLES IN SCHEMA public      USAGE ON SCHEMA public
//   CONNECT ON DATABASE shop                   USAGE ON SEQUENCE public.order_id
// One text for each privilege and object is the canonical form; ALL is what the server's version knows.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::access {

struct Privilege {
    std::string name;   // "SELECT"
    std::string type;   // "TABLE", "SCHEMA", "DATABASE", "SEQUENCE"
    std::string schema; // of tables and sequences
    std::string object; // empty with `schema`: all of them there

    std::string text() const; // "SELECT ON TABLE public.orders"
    std::string on() const;   // "TABLE public.orders", as GRANT wants it
};

// Nothing where the text is none, or ALL of what the server does not know.
std::optional<std::vector<Privilege>> parse_privileges(std::string_view text, int server_version);

} // namespace holdfast::access
