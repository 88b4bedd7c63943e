import type { ModuleRef } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { assertOptions } from '../core/arguments.js';
import { StorageConfigurationError, StorageInvalidArgumentError } from '../core/errors.js';
import { scanFailed } from '../uploads/upload.exceptions.js';
import type { DirectUploadRules } from '../interfaces/direct-uploads-options.interface.js';
import { type ParsedBehaviour, type ParsedRules, parseRules } from './direct-upload-options.js';
import type { UploadClaims } from './upload-claims.js';
import { FIELD, type Scanner } from './upload-verification.js';

/** Of a form, which there is none of here: a policy may be that of an interceptor, too. */
const FORM_OPTIONS = [
  'maxFiles',
  'maxFields',
  'maxFieldSize',
  'maxTotalSize',
  'minRate',
  'minRateWindow',
  'timeout',
];

/** What is allowed: the same for all requests, or as the policy has it for each. */
export class UploadRules {
  constructor(
    private readonly behaviour: ParsedBehaviour,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws StorageConfigurationError when what the policy gives is not well-formed; what it throws itself */
  async of(request: unknown): Promise<ParsedRules> {
    const { rules, policy } = this.behaviour;
    if (!policy) return parseRules(rules);
    if (typeof request !== 'object' || request === null) {
      throw new StorageInvalidArgumentError(
        'The policy of direct uploads decides by the request; give it along: start(asked, owner, request), complete(id, owner, request)',
      );
    }
    // Whichever protocol asks, and the app itself: there is no one handler whose decorators would count.
    const context = new ExecutionContextHost([request], UploadRules, anyHandler);
    const given = await policy.optionsFor(context, this.moduleRef);
    try {
      assertOptions(given);
      const own = Object.entries(given).filter(
        // What it leaves undefined is as the module has it.
        ([name, value]) => value !== undefined && !FORM_OPTIONS.includes(name),
      );
      return parseRules({ ...rules, ...(Object.fromEntries(own) as DirectUploadRules) });
    } catch (cause) {
      // Not the client's fault.
      const { message } = cause as Error;
      throw new StorageConfigurationError(`The policy of direct uploads: ${message}`, { cause });
    }
  }

  /**
   * Who examines the file of the upload, if anybody. A policy is asked again, as functions cannot be sealed into an id.
   *
   * @throws UploadException 503 when it had the file examined, and does not say by whom any more
   */
  async scannerOf(
    { isScanned }: UploadClaims,
    request: unknown,
    signal: AbortSignal,
  ): Promise<Scanner | undefined> {
    const { policy } = this.behaviour;
    if (policy && !isScanned) return undefined;
    const { scan, scanTimeout: timeout } = await this.of(request);
    if (scan) return { scan, timeout, request, signal };
    if (!isScanned) return undefined;
    throw scanFailed(FIELD, new StorageConfigurationError('The policy gives no scan any more'));
  }
}

function anyHandler(): void {}
