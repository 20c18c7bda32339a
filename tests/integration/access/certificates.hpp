#pragma once
// A certificate authority of a test's own: what servers show, and what clients trust.

#include <string>

namespace holdfast::test {

// In `folder`: ca.crt; other-ca.crt, which has signed nothing; srv.crt and srv.key, which are for localhost
// and 127.0.0.1 (and not for 127.0.0.2). Throws where openssl fails.
void make_certificates(const std::string& folder);

} // namespace holdfast::test
