import * as rdsSigner from '@aws-sdk/rds-signer'
import { AuditError } from 'otel-audit'
import { beforeAll, describe, expect, it } from 'vitest'
import { RDS_SIGNER_HOOK } from '../../../src/instrument/clients/rds-signer.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

beforeAll(async () => {
  const { coverage } = await hookedPackage<object>(RDS_SIGNER_HOOK, '@aws-sdk/rds-signer', rdsSigner)
  expect(coverage).toMatchObject({ state: 'hooked', hook: 'Signer.prototype.getAuthToken' })
})

const signer = (more: object = {}) =>
  new rdsSigner.Signer({
    region: 'eu-central-1',
    hostname: 'orders.rds.internal',
    port: 5432,
    username: 'orders',
    credentials: { accessKeyId: 'AKIAFAKE', secretAccessKey: CANARY },
    ...more,
  })

describe('a token for a database of RDS', () => {
  it('is one row, and the token is in none', async () => {
    const scene = scened({ strict: true })
    const token = await signer().getAuthToken()
    expect(scene.stored()).toHaveLength(1)
    const rows = await scene.said()
    expect(rows).toEqual([
      {
        credential: 'rds:orders@orders.rds.internal:5432',
        operation: 'issue_credential',
        outcome: 'ok',
        provider: 'aws',
        api: 'getAuthToken',
        seen: 'client',
      },
    ])
    const signature = /X-Amz-Signature=(\w+)/.exec(token)?.[1]
    expect(signature).toMatch(/^\w{64}$/)
    expect(JSON.stringify(rows)).not.toContain(signature)
  })

  it('that cannot be signed is one row', async () => {
    const scene = scened()
    const error = Object.assign(new Error('none'), { name: 'CredentialsProviderError' })
    expect(await thrownBy(signer({ credentials: () => Promise.reject(error) }).getAuthToken())).toBe(error)
    expect(await scene.said()).toMatchObject([
      { outcome: 'access_denied', 'error.type': 'CredentialsProviderError' },
    ])
  })

  it('is withheld in strict mode, and the store down', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    expect(await thrownBy(signer().getAuthToken())).toBeInstanceOf(AuditError)
  })
})
