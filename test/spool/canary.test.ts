import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { Operation } from '../../src/event/vocabulary.js'
import { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { FAILED } from '../support/faults.js'
import { waitUntil } from '../support/wait-until.js'
import { temporaryDirectory } from './directories.js'

const SECRET = 'canary-7Qm2vX9sLw4TzR'

test('no file of a spool has the secret that was released; the notes are in it, and say so', async () => {
  const directory = temporaryDirectory()
  // Everything goes through the spool, and stays there.
  const exporter = new DurableAuditExporter({ sink: new RecordingAuditSink(() => FAILED) })
  const spool = await openLmdbSpool({ directory, maxBytes: 1024 * 1024 })
  exporter.attachSpool(spool, 'always')
  const service = new SecretAuditService({ pipeline: exporter })
  for (const text of [SECRET, Buffer.from(SECRET).toString('base64'), Buffer.from(SECRET).toString('hex')]) {
    const fields = {
      credential: 'db',
      operation: Operation.define('get_credential'),
      notes: `plain note; ${text}`,
      attributes: { text },
    }
    await service.guard(fields, () => Promise.resolve({ password: SECRET }))
  }
  await waitUntil('all of them on disk', () => spool.status.entries === 3)
  const { key } = await waitUntil('one that is let go of', async () => (await spool.next(1))[0])
  await spool.quarantine(key, 'refused')
  expect(spool.status.quarantined).toBe(1)
  await exporter.close(0)
  const bytes = Buffer.concat(filesBelow(directory).map((path) => readFileSync(path)))
  expect(bytes.includes('[redacted]')).toBe(true)
  expect(bytes.includes('get_credential')).toBe(true)
  for (const encoding of ['utf8', 'base64', 'hex'] as const) {
    expect(bytes.includes(Buffer.from(SECRET).toString(encoding)), encoding).toBe(false)
  }
})

function filesBelow(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true }) as string[]
  return names.map((name) => join(directory, name)).filter((path) => statSync(path).isFile())
}
