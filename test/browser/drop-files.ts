import type { Page } from 'playwright-core';

/** Drags files of this machine over the window and lets them go, as a file manager does. */
export async function dropFiles(page: Page, paths: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [...paths], dragOperationsMask: 1 };
  const at = { x: 200, y: 300, data };
  await session.send('Input.dispatchDragEvent', { type: 'dragEnter', ...at });
  await session.send('Input.dispatchDragEvent', { type: 'dragOver', ...at });
  await page.locator('body.dragging').waitFor();
  await session.send('Input.dispatchDragEvent', { type: 'drop', ...at });
  await session.detach();
}
