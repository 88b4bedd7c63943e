/** What a body threw while it was read, so that it is not taken for a failure of the service. */
export class BodyFailure {
  constructor(readonly error: unknown) {}
}

/** The next chunk. @throws BodyFailure */
export async function nextChunk(
  chunks: AsyncIterator<Uint8Array>,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await chunks.next();
  } catch (error) {
    throw new BodyFailure(error);
  }
}
