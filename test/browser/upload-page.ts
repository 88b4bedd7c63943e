import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Controller, Get, Header } from '@nestjs/common';
import type { Page } from 'playwright-core';

const ESBUILD = createRequire(import.meta.url).resolve('esbuild/bin/esbuild');
const ENTRY = join(import.meta.dirname, 'upload-clients.js');

/** The clients as their packages have them, for a script of a page. */
export async function bundleClients(): Promise<string> {
  // In a process of its own: esbuild does not take the globals of a test for its own.
  const { stdout } = await promisify(execFile)(
    ESBUILD,
    [ENTRY, '--bundle', '--format=iife', '--target=chrome120', '--log-level=error'],
    { maxBuffer: 64 * 1024 ** 2 },
  );
  return stdout;
}

/** A page of the app itself. */
@Controller()
export class UploadPageController {
  @Get('page')
  @Header('Content-Type', 'text/html; charset=utf-8')
  page(): string {
    return '<!doctype html><title>uploads</title>';
  }
}

export async function openUploadPage(page: Page, port: number, clients: string): Promise<void> {
  await page.goto(`http://localhost:${port}/page`);
  await page.addScriptTag({ content: clients });
}
