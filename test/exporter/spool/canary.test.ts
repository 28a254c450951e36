import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLmdbSpool } from '../../../dist/exporter/spool/lmdb-spool.js'
import { DurableAuditExporter } from '../../../src/exporter/exporter.js'
import { Operation } from '../../../src/event/vocabulary.js'
import { SecretAuditService } from '../../../src/service/service.js'
import { RecordingAuditSink } from '../../../src/sink/recording.js'
import { temporaryDirectory } from './directories.js'

const SECRET = 'canary-7Qm2vX9sLw4TzR'

test('no file of a spool has the secret that was released; the notes are in it, and say so', async () => {
  const directory = temporaryDirectory()
  const sink = new RecordingAuditSink()
  const exporter = new DurableAuditExporter({ sink })
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
  await exporter.forceFlush()
  const spool = await openLmdbSpool({ directory, maxBytes: 1024 * 1024 })
  const keys = await spool.append(sink.events)
  expect(keys).toHaveLength(3)
  await spool.quarantine(keys[0] ?? 0, 'refused')
  await spool.close()
  await exporter.close(1000)
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
