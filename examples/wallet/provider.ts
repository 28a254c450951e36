import nodeVault from 'node-vault'
import { BearerTokens } from './bearer.js'
import { portFromEnv, readConfig } from './config.js'
import { HttpError } from './denial.js'
import { type Answer, type Call, serve } from './http.js'
import { object, text } from './json.js'
import { fail, runServer } from './lifecycle.js'

/**
 * Stands in for the services that issue short-lived credentials. `/v1/tokens/...` issues one, which it reads from its
 * Vault; the other paths behave as providers do on a bad day. It has not one line about audit: its reads are audited by
 * `--import otel-audit/register`.
 */
async function main(): Promise<void> {
  const config = object(await readConfig('PROVIDER_CONFIG_FILE'), 'config')
  const at = object(config.vault, 'vault')
  const vault = nodeVault({
    endpoint: text(at.address, 'vault.address'),
    token: text(at.token, 'vault.token'),
  })
  const clients = new BearerTokens<true>()
  clients.add(text(config.token, 'token'), true)
  const behind = (answer: (call: Call) => Answer | Promise<Answer>) => (call: Call) => {
    if (clients.holderOf(call) === undefined) throw new HttpError(401, 'A valid bearer token is needed.')
    return answer(call)
  }
  const server = serve([
    { method: 'GET', path: '/healthz', handle: () => ({ status: 200, body: { status: 'ok' } }) },
    {
      method: 'GET',
      path: '/v1/tokens/{stage}/{region}',
      handle: behind(async ({ params: { stage, region } }) => {
        const { data } = object(
          await vault.read(`secret/data/tokens/${stage}/${region}`),
          'answer of the Vault',
        )
        return {
          status: 200,
          body: { value: text(object(object(data, 'data').data, 'data.data').value, 'value') },
        }
      }),
    },
    { method: 'GET', path: '/v1/failing', handle: behind(() => ({ status: 503, body: {} })) },
    { method: 'GET', path: '/v1/nonsense', handle: behind(() => ({ status: 200, body: [] })) },
    { method: 'GET', path: '/v1/silent', handle: behind(() => new Promise<Answer>(() => {})) },
    {
      method: 'GET',
      path: '/v1/long',
      handle: behind(() => ({ status: 200, body: { value: 'x'.repeat(99_999) } })),
    },
  ])
  await runServer(server, 'provider', process.env.WALLET_HOST ?? '127.0.0.1', portFromEnv())
}

main().catch((error: unknown) => fail('provider', error))
