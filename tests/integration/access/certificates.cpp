#include "certificates.hpp"

#include <stdexcept>

#include "support/shell.hpp"

namespace holdfast::test {

void make_certificates(const std::string& folder) {
    write_file(folder + "/ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
                                "extendedKeyUsage=serverAuth\n");
    const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
    const std::string authority = "openssl req -x509 -days 30" + key;
    const std::string command =
        "cd " + folder + " && " + authority + "-keyout ca.key -out ca.crt -subj /CN=test-authority && " +
        authority + "-keyout other-ca.key -out other-ca.crt -subj /CN=other-authority && openssl req" + key +
        "-keyout srv.key -out srv.csr -subj /CN=localhost && openssl x509 -req -in srv.csr -CA ca.crt -CAkey "
        "ca.key -CAcreateserial -out srv.crt -days 30 -extfile ext";
    if (!output_and_errors_of(command)) throw std::runtime_error("openssl makes no certificates");
}

} // namespace holdfast::test
