import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Lines } from '../export/records.js'
import type { BundleFileName } from './bundle-manifest.js'

/** The lines of a file, without their ends. Only a line feed ends one: JSON has other line separators within its texts. */
export async function* linesOf(directory: string, name: BundleFileName): AsyncGenerator<string, void> {
  const lines = new Lines()
  for await (const chunk of createReadStream(join(directory, name))) {
    for (const line of lines.take(chunk as Buffer)) yield textOf(line)
  }
  for (const line of lines.end()) yield textOf(line)
}

function textOf(line: Buffer): string {
  return line.toString('utf8').replace(/\n$/, '')
}
