// Of a server in a process of its own: how many connections clients have had open at once.

/** Counts them from now on, and reports to whoever has started the process and asks. */
export function reportConnections(server) {
  let open = 0;
  let most = 0;
  server.on('connection', (socket) => {
    most = Math.max(most, ++open);
    socket.once('close', () => open--);
  });
  process.on('message', () => process.send({ connections: most }));
}
