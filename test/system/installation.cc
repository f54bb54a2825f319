#include "test/system/installation.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sys/mount.h>
#include <system_error>

namespace scene {

namespace fs = std::filesystem;

void Installation::put(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
}

void Installation::put_configuration(const std::string& plugin) const {
    Json list{{"cniVersion", "1.0.0"}, {"name", "podnet"}, {"plugins", {Json::parse(plugin)}}};
    put(conf_dir() / "10-ipip.conflist", list.dump(2));
}

void Installation::put_all(const std::string& plugin) const {
    put_configuration(plugin);
    for (const char* program : {"ipip", "ipip-ipam", "ipipctl"})
        put(bin_dir() / program);
    for (const char* drop_in :
         {"systemd/network/00-ipip-cni.network", "NetworkManager/conf.d/ipip-cni.conf"})
        put(etc(drop_in));
}

std::map<std::string, std::string> Installation::files() const {
    std::map<std::string, std::string> found;
    for (const fs::path& top : {etc_.path(), bin_.path(), host_.folder()})
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top)) {
            if (entry.is_directory())
                continue;
            std::string& text = found[entry.path()];
            if (!entry.is_regular_file())
                continue;
            std::ifstream file(entry.path(), std::ios::binary);
            text.assign(std::istreambuf_iterator<char>(file), {});
        }
    return found;
}

Output Installation::ctl(const Way& way) const {
    Words words = way.wrapper;
    words.emplace_back(PROGRAMS "/ipipctl");
    words.insert(words.end(), way.arguments.begin(), way.arguments.end());
    return host_.net().run({.words = words, .prepare = [&] {
                                host_.enter_own_run();
                                const char* etc = etc_.path().c_str();
                                if (::mount(etc, "/etc", nullptr, MS_BIND, nullptr) != 0)
                                    throw std::system_error(errno, std::generic_category(),
                                                            "mount /etc");
                                if (way.prepare)
                                    way.prepare();
                            }});
}

Output Installation::uninstall_by(Way way) const {
    const Words first{"uninstall", "--cni-bin-dir=" + bin_dir().string()};
    way.arguments.insert(way.arguments.begin(), first.begin(), first.end());
    return ctl(way);
}

} // namespace scene
