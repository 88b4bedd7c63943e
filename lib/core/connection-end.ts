import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

const listening = new WeakMap<Socket, Set<() => void>>();

/**
 * Has something done when a connection closes, unless what this returns is called before. The connection is listened to
 * once, however many requests wait on it (RFC 9112 §9.3.2).
 */
export function onConnectionClosed(socket: Socket, act: () => void): () => void {
  // What stands for a connection in functions of a cloud may have no events.
  if (!(socket instanceof EventEmitter)) return () => {};
  const acts = listening.get(socket) ?? listenTo(socket);
  acts.add(act);
  return () => void acts.delete(act);
}

// Apart from the first of them, which what is held by the connection would hold as long as that is open.
function listenTo(socket: Socket): Set<() => void> {
  const acts = new Set<() => void>();
  listening.set(socket, acts);
  socket.once('close', () => {
    for (const act of acts) act();
  });
  return acts;
}
