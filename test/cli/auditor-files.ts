import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HonestTrail, ORIGIN } from './honest-trail.js'

/** Files in a directory of their own: what an auditor has of an honest trail, and what a test adds. */
export class AuditorFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'otel-audit-verify-'))
  readonly trust: string
  readonly anchors: string

  constructor({ verifierKey, blocks }: HonestTrail) {
    this.trust = this.file(
      'audit.trust',
      `origin ${ORIGIN}\nenrolment ${verifierKey}\nunsigned none # all of it\n`,
    )
    this.anchors = this.file('notes.txt', blocks.map(({ note }) => note).join(''))
  }

  /** @returns its path */
  file(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text)
    return path
  }

  remove(): void {
    rmSync(this.directory, { recursive: true })
  }
}
