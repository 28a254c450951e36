import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import { NoteSigner } from '../../src/chain/note-key.js'
import { retentionKeyName } from '../../src/verify/retention-note.js'

/** The log of all trails here. */
export const LOG = 'otel-audit/years'

/** What signs a trail, and who trusts it. */
export interface Keys {
  readonly enrolment: NoteSigner
  /** PEM, as an option of a pipeline takes it. */
  readonly enrolmentPem: string
  readonly retentionFile: string
  readonly verifierFile: string
  readonly trustFile: string
}

/** Those that are in the directory, made if there are none yet. */
export async function keysIn(directory: string): Promise<Keys> {
  const [enrolmentFile, retentionFile] = [join(directory, 'enrolment.pem'), join(directory, 'retention.pem')]
  const verifierFile = join(directory, 'verifier.pem')
  await keyIn(verifierFile)
  const [enrolmentPem, retentionPem] = [await keyIn(enrolmentFile), await keyIn(retentionFile)]
  const enrolment = new NoteSigner(enrolmentKeyName(LOG), enrolmentPem)
  const retention = new NoteSigner(retentionKeyName(LOG), retentionPem)
  const trustFile = join(directory, 'audit.trust')
  const trust = [
    `origin ${LOG}`,
    `enrolment ${enrolment.verifierKey}`,
    `retention ${retention.verifierKey}`,
    '',
  ]
  await writeFile(trustFile, trust.join('\n'))
  return { enrolment, enrolmentPem, retentionFile, verifierFile, trustFile }
}

async function keyIn(file: string): Promise<string> {
  const found = await readFile(file, 'utf8').catch(() => undefined)
  if (found !== undefined) return found
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  await writeFile(file, pem, { mode: 0o600 })
  return pem
}
