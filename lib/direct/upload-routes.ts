import { rawRequest } from '../http-exchange.js';
import type { RouteMounts } from '../routes/route-mounts.js';
import { targetBelow } from '../routes/route-path.js';
import { toRouteException } from '../routes/route.exceptions.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { ParsedBehaviour } from './direct-upload-options.js';

/**
 * What the controllers of direct uploads share. Ids are longer than a router takes for a parameter, so that what stands below
 * the path is read here.
 */
export class UploadRoutes {
  #mount: string | undefined;

  constructor(
    private readonly path: string,
    private readonly mounts: RouteMounts,
    private readonly behaviour: ParsedBehaviour,
  ) {}

  /** Where the routes are, with what the app puts before them. */
  get mount(): string {
    return (this.#mount ??= this.mounts.mounted(this.path));
  }

  /** The segments below the path, as they were sent, and the query. @throws UploadException 404 */
  target(request: object): {
    readonly segments: readonly string[];
    readonly query: URLSearchParams;
  } {
    const target = targetBelow(this.mount, rawRequest(request).url);
    if (!target) throw uploadNotFound();
    return { segments: target.path.split('/'), query: new URLSearchParams(target.query) };
  }

  /** Runs what a route does for whoever makes the request; what fails in it is told as by all routes. */
  async serve<Result>(
    request: object,
    act: (owner: string) => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      return await act(await this.behaviour.owner(request));
    } catch (error) {
      throw toRouteException(error);
    }
  }
}
