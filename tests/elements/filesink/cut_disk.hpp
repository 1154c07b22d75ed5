// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace crash {

/**
 * A file system (ext4) that can lose its device, as in a power cut: what was not on the device by
 * then is gone. Device and mounts are those of this process and its children alone, and gone with
 * the last of them, however that ends.
 */
class CutDisk {
 public:
  CutDisk();
  ~CutDisk();
  CutDisk(const CutDisk &) = delete;
  CutDisk &operator=(const CutDisk &) = delete;

  /** Why there is none: no right to mount, no loop devices, no mkfs.ext4. Empty: there is one. */
  const std::string &problem() const { return problem_; }
  /** Where it is mounted. */
  std::string path() const { return dir_ + "/disk"; }
  /** From now on nothing reaches the device, not even the journal. */
  void cut();
  /** Mounts what is on the device, by its journal. Nobody may have files of it open. */
  void mount_again();

 private:
  void make();
  void mount_device();
  void run(const std::string &command);

  std::string dir_;  // with a file system in memory, which holds the device
  std::string problem_;
};

}  // namespace crash
