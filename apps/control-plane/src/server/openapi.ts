import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

const PATH = '/v1/openapi.json';

/** Serves the description of the REST API; anyone may read it, it holds nothing of this installation. */
export function serveOpenApi(app: NestFastifyApplication): void {
  const builder = new DocumentBuilder()
    .setTitle('Hostward control plane')
    .setDescription(
      'Policies for hosts: apply them, and see what hosts really do. Errors are RFC 9457 documents.',
    )
    .setVersion('1')
    .addBearerAuth()
    .addSecurityRequirements('bearer');
  const document = SwaggerModule.createDocument(app, builder.build());
  const text = JSON.stringify(document);
  app
    .getHttpAdapter()
    .getInstance()
    .get(
      PATH,
      (_request: unknown, reply: { type(value: string): { send(body: string): void } }) => {
        reply.type('application/json').send(text);
      },
    );
}
