// SPDX-License-Identifier: MIT
// The process behind HeldFile.
#pragma once

namespace evp {

// Speaks FUSE at `device` and takes commands at `control`, until either is closed. Never returns.
[[noreturn]] void ServeHeldFiles(int device, int control);

} // namespace evp
