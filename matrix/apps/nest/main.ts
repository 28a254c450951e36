// A NestJS application as its command line makes them: decorators, CommonJS, started from dist.
import 'reflect-metadata'
import { Controller, Get, Headers, Injectable, Module, NotFoundException, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Operation, SecretAuditService } from 'otel-audit'

@Injectable()
class Vault {
  readonly #audit = SecretAuditService.fromEnv()

  password(credential: string, actorId: string): Promise<string> {
    const access = { credential, operation: Operation.GetCredential, actorId, actorType: 'user' } as const
    return this.#audit.guard(access, async () => {
      if (credential === 'orders-db') return 'a password of the vault'
      throw Object.assign(new NotFoundException(), { auditOutcome: 'credential_not_found' })
    })
  }
}

@Controller('credentials')
class Credentials {
  constructor(private readonly vault: Vault) {}

  @Get(':name')
  async get(@Param('name') name: string, @Headers('x-user') user?: string): Promise<{ length: number }> {
    return { length: (await this.vault.password(name, user ?? 'nobody')).length }
  }
}

@Module({ controllers: [Credentials], providers: [Vault] })
class Application {}

async function main(): Promise<void> {
  const application = await NestFactory.create(Application, { logger: false })
  application.enableShutdownHooks()
  await application.listen(Number(process.env['PORT']), '127.0.0.1')
  console.log(`listening ${new URL(await application.getUrl()).port}`)
}

void main()
