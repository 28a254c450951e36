import { describe, expect, it, onTestFinished } from 'vitest'
import { taken } from '../../../src/host/globals.js'
import { watchHttp } from '../../../src/instrument/wire/http.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { said, type Watched, watched } from '../watched.js'
import { ask } from './asking.js'
import { refused, secretServer } from './secret-server.js'

function scene(options: AuditOptions = { strict: true }): Watched {
  const made = watched(options)
  onTestFinished(watchHttp(made.watch))
  return made
}

describe('a request to AWS', () => {
  const aws = (target: string) => ({ method: 'POST', path: '/', headers: { 'x-amz-target': target } })

  it('is recorded by what its body asks for; a batch by each name', async () => {
    const { url } = await secretServer()
    const at = scene()
    await ask(url, aws('secretsmanager.GetSecretValue'), JSON.stringify({ SecretId: 'db' })).ended
    const body = JSON.stringify({ SecretIdList: ['a', 'b'] })
    await ask(url, aws('secretsmanager.BatchGetSecretValue'), body).ended
    expect((await at.rows()).map(said)).toMatchObject([
      { credential: 'db', outcome: 'ok' },
      { credential: 'a', outcome: 'requested', batch: 'r-1' },
      { credential: 'b', outcome: 'requested', batch: 'r-1' },
    ])
  })

  it('whose headers are a list is seen as well', async () => {
    const { url } = await secretServer()
    const at = scene()
    const headers = ['Host', 'a.example', 'X-Amz-Target', 'secretsmanager.GetSecretValue']
    await ask(url, { method: 'POST', path: '/', headers: headers as never }, '{"SecretId":"db"}').ended
    expect((await at.rows()).map(said)).toMatchObject([{ provider: 'aws', api: 'GetSecretValue' }])
  })

  it('that is refused: the error is named in a body that is handed on whole', async () => {
    const body = {
      __type: 'com.amazonaws.secretsmanager#ResourceNotFoundException',
      Message: 'x'.repeat(9000),
    }
    const { url } = await secretServer(refused(400, body))
    const at = scene()
    const heard = ask(url, aws('secretsmanager.GetSecretValue'), '{"SecretId":"db"}')
    await heard.ended
    expect(JSON.parse(heard.body)).toEqual(body)
    expect((await at.rows()).map(said)).toMatchObject([
      { outcome: 'credential_not_found', 'error.type': 'ResourceNotFoundException' },
    ])
  })
})

it('a watch of Kubernetes is recorded again while it is open', async () => {
  const intervals: (() => void)[] = []
  const { setInterval } = taken
  taken.setInterval = (work: () => void) => {
    intervals.push(work)
    return setInterval(() => undefined, 1e6)
  }
  onTestFinished(() => void (taken.setInterval = setInterval))
  const { url } = await secretServer((_, response) => {
    response.writeHead(200)
    response.write('{}')
  })
  const at = scene({})
  const heard = ask(url, { path: '/api/v1/namespaces/n/secrets?watch=true', headers: {} })
  await new Promise((resolve) => heard.request.on('response', resolve))
  for (const work of intervals) work()
  heard.request.destroy()
  await heard.ended
  expect((await at.rows()).map(said)).toMatchObject([
    { credential: 'k8s:n/*', watch: true },
    { credential: 'k8s:n/*', watch: true },
  ])
})
