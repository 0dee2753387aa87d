import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { DiagnosisView } from '#contracts';
import { Needs } from '../auth/needs.decorator.js';
import { DiagnosisService } from './diagnosis.service.js';

/** What `hostward doctor` asks. */
@ApiTags('health')
@Controller('v1')
export class DiagnosisController {
  constructor(private readonly diagnosis: DiagnosisService) {}

  @Get('diagnosis')
  @Needs('metrics:read')
  @ApiOperation({ summary: 'The usual faults, looked for now, each with its remedy' })
  diagnose(): Promise<DiagnosisView> {
    return this.diagnosis.diagnose();
  }
}
