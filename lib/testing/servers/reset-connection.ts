import type { Socket } from 'node:net';

/**
 * Breaks a connection off, so that the other side sees a reset. One that is being ended already is only closed: Node loses a socket
 * that is reset in the turn in which its end goes out (EINVAL), and it stays open and never emits `'close'`.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
