#include "test/kubernetes/authority.h"

#include "test/kernel/scene.h"

#include <fstream>
#include <stdexcept>

namespace scene {

Authority::Authority(std::filesystem::path folder) : folder_(std::move(folder)) {
    sign("ca", "CN = the tests' authority",
         "basicConstraints = critical, CA:TRUE\n"
         "keyUsage = critical, keyCertSign, cRLSign\n",
         true);
}

Authority::Pair Authority::server(const std::string& file,
                                  const std::vector<std::string>& addresses) const {
    std::string names = "DNS:localhost";
    for (const std::string& address : addresses)
        names += ", IP:" + address;
    return sign(file, "CN = " + file,
                "basicConstraints = critical, CA:FALSE\n"
                "extendedKeyUsage = serverAuth\n"
                "subjectAltName = " +
                    names + '\n');
}

Authority::Pair Authority::client(const std::string& file, const std::string& user,
                                  const std::string& group) const {
    return sign(file, "CN = " + user + (group.empty() ? "" : "\nO = " + group),
                "basicConstraints = critical, CA:FALSE\n"
                "extendedKeyUsage = clientAuth\n");
}

Authority::Pair Authority::sign(const std::string& file, const std::string& subject,
                                const std::string& extensions, bool by_itself) const {
    const Pair pair{folder_ / (file + ".crt"), folder_ / (file + ".key")};
    const std::filesystem::path settings = folder_ / (file + ".conf");
    std::ofstream(settings) << "[req]\nprompt = no\ndistinguished_name = subject\n"
                               "x509_extensions = extensions\n[subject]\n"
                            << subject << "\n[extensions]\n"
                            << extensions;
    // Elliptic curves: with RSA each handshake would take long on an emulated processor.
    Words words = split("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc");
    for (const std::string& word : {std::string("-config"), settings.string(), std::string("-out"),
                                    pair.certificate, std::string("-keyout"), pair.key})
        words.push_back(word);
    if (!by_itself)
        for (const std::string& word : {std::string("-CA"), certificate(), std::string("-CAkey"),
                                        (folder_ / "ca.key").string()})
            words.push_back(word);
    const Output output = Namespace().run(words); // any place will do
    if (output.status != 0)
        throw std::runtime_error("openssl made no certificate: " + output.err);
    return pair;
}

} // namespace scene
