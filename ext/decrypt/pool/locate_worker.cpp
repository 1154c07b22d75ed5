// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/locate_worker.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace dv {
namespace {

constexpr char kName[] = "gst-discord-worker";

int why_not(const std::string &path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EACCES;
  return access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

std::string plugin_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void *>(&locate_worker), &info) == 0) return {};
  const std::string file = info.dli_fname != nullptr ? info.dli_fname : "";
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  const std::string folder = plugin_folder();
  if (!folder.empty()) {
    // An installation that was moved as a whole, then the build tree.
    paths.push_back(folder + "/" DV_WORKER_FROM_PLUGIN "/" + kName);
    paths.push_back(folder + "/../ext/worker/" + kName);
  }
  paths.push_back(std::string(DV_WORKER_DIR "/") + kName);
  return paths;
}

}  // namespace

WorkerLocation locate_worker() {
  if (const char *named = std::getenv("GST_DISCORD_WORKER"); named != nullptr && *named != '\0') {
    const int error = why_not(named);
    if (error == 0) return {named, {}};
    return {{},
            std::string("GST_DISCORD_WORKER names ") + named + ", which can not be used: " +
                std::strerror(error) + ". Correct it, or unset it to use the installed worker"};
  }
  std::string tried;
  for (const std::string &path : candidates()) {
    if (why_not(path) == 0) return {path, {}};
    tried += (tried.empty() ? "" : ", ") + path;
  }
  return {{},
          "gst-discord-worker was not found (looked at " + tried +
              "). Install it there, name it in GST_DISCORD_WORKER, or use max-workers=0 to decrypt "
              "in this process"};
}

}  // namespace dv
