/**
 * The guest's side of QEMU's user networking; `src/images/vm/guest/init.sh` has the same numbers. The gateway stands for
 * the loopback of QEMU's own network namespace, where nothing listens but the way to the server.
 */
export const GUEST_NETWORK = "10.0.2.0/24";
export const GATEWAY = "10.0.2.2";
/** Where the host agent in the guest reaches the server's remote endpoint. */
export const GATEWAY_PORT = 9700;
