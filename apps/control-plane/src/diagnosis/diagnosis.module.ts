import { Module, type DynamicModule } from '@nestjs/common';
import { DiagnosisController } from './diagnosis.controller.js';
import { DataFolder, DiagnosisService, ServiceCheck, TrustCheck } from './diagnosis.service.js';
import { RedisSurvey } from './redis-survey.js';

/** What is looked at beside what every folder may ask for. */
export interface DiagnosisParts {
  readonly survey: RedisSurvey;
  /** Folder of the control plane's own files. */
  readonly dataDir: string;
}

/** What is wrong, and what to do about it. */
@Module({})
export class DiagnosisModule {
  static of({ survey, dataDir }: DiagnosisParts): DynamicModule {
    return {
      module: DiagnosisModule,
      controllers: [DiagnosisController],
      providers: [
        { provide: RedisSurvey, useValue: survey },
        { provide: DataFolder, useValue: new DataFolder(dataDir) },
        ServiceCheck,
        TrustCheck,
        DiagnosisService,
      ],
    };
  }
}
