import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A clamd that speaks INSTREAM on a socket, and finds what contains the word. */
export class FakeClamd implements AsyncDisposable {
  /** Every file that arrived, whole. */
  readonly examined: Buffer[] = [];
  /** Connections that are open. */
  readonly connections = new Set<Socket>();
  readonly #server: Server;

  private constructor(private readonly finds: string) {
    this.#server = createServer((socket) => {
      this.connections.add(socket);
      socket.on('close', () => this.connections.delete(socket));
      socket.on('error', () => {});
      this.#answer(socket).catch(() => socket.destroy());
    });
  }

  static async start(finds: string): Promise<FakeClamd> {
    const clamd = new FakeClamd(finds);
    await new Promise<void>((resolve) => clamd.#server.listen(0, '127.0.0.1', resolve));
    return clamd;
  }

  get address(): { host: string; port: number } {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(socket: Socket): Promise<void> {
    let received = Buffer.alloc(0);
    let at = 'zINSTREAM\0'.length;
    const chunks: Buffer[] = [];
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length >= 10 && !received.subarray(0, 10).equals(Buffer.from('zINSTREAM\0'))) {
        socket.end('UNKNOWN COMMAND\0');
        return;
      }
      while (received.length >= at + 4) {
        const length = received.readUInt32BE(at);
        if (received.length < at + 4 + length) break;
        chunks.push(received.subarray(at + 4, at + 4 + length));
        at += 4 + length;
        if (length > 0) continue;
        socket.end(`${this.#verdict(Buffer.concat(chunks))}\0`);
        return;
      }
    }
  }

  #verdict(file: Buffer): string {
    this.examined.push(file);
    if (file.includes('too large for clamd')) return 'INSTREAM size limit exceeded. ERROR';
    return file.includes(this.finds) ? 'stream: Test-Signature FOUND' : 'stream: OK';
  }
}
