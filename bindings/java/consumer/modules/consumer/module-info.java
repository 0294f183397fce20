// SPDX-License-Identifier: MIT
/** A consumer on the module path. */
module consumer {
  requires org.evpoll;
}
