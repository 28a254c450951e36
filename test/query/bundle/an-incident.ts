import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PostgresAuditSink } from 'otel-audit'
import { evidenceKeyName } from '../../../src/chain/chain-key.js'
import { NoteSigner } from '../../../src/chain/note-key.js'
import { coverageRow } from '../../../src/event/self-rows.js'
import { sha256 } from '../../../src/event/sha256.js'
import type { BundleManifest } from '../../../src/query/bundle/bundle-manifest.js'
import type { BundleReport } from '../../../src/query/bundle/check-bundle.js'
import { anEvent, batchOf } from '../../support/events.js'

export const ORIGIN = 'otel-audit/wallet'
const enrolment = generateKeyPairSync('ed25519').privateKey
export const signer = new NoteSigner(evidenceKeyName(ORIGIN), generateKeyPairSync('ed25519').privateKey)
export const enroller = new NoteSigner(`${ORIGIN}/enrolment`, enrolment)

/** Accesses to two credentials, by an enrolled service that has said how it is covered. */
export async function writeIncident(url: string): Promise<void> {
  const enrolmentKey = enrolment.export({ format: 'pem', type: 'pkcs8' }).toString()
  const sink = new PostgresAuditSink({ databaseUrl: url, origin: ORIGIN, enrolmentKey })
  sink.attach({
    serviceName: 'wallet',
    serviceInstanceId: 'i-1',
    lost: 0,
    onBlock: () => {},
    onLostBlocks: () => {},
  })
  const of = { serviceName: 'wallet', serviceInstanceId: 'i-1' }
  const state = { client: 'node-vault@0.10.2', hook: undefined, node: 'v24', since: '' } as const
  await sink.write(batchOf(anEvent(coverageRow({ ...state, state: 'not_hooked', reason: 'gone' }), of)))
  for (let i = 0; i < 6; i++) {
    const credential = i % 2 === 0 ? 'orders-db' : 'billing-db'
    const notes = 'line\u2028separator'
    await sink.write(
      batchOf(anEvent({ credential, notes }, of), anEvent({ credential, attributes: { i } }, of)),
    )
  }
  await sink.close()
}

/** What a check has found, a line each. */
export const found = ({ findings }: BundleReport): string[] =>
  findings.map(({ code, message }) => `${code}: ${message}`)

export const edit = (directory: string, name: string, how: (text: string) => string): void => {
  const path = join(directory, name)
  writeFileSync(path, how(readFileSync(path, 'utf8')))
}

/** As somebody would who knows what the manifest is for. */
export function reseal(directory: string, how: (manifest: BundleManifest) => object = () => ({})): void {
  edit(directory, 'manifest.json', (text) => {
    const manifest = JSON.parse(text) as BundleManifest
    const files = manifest.files.map(({ name }) => {
      const bytes = readFileSync(join(directory, name))
      return { name, bytes: bytes.length, sha256: sha256(bytes).toString('hex') }
    })
    return JSON.stringify({ ...manifest, files, ...how(manifest) })
  })
  rmSync(join(directory, 'manifest.note'), { force: true })
}
