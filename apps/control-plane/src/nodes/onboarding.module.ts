import { Module, type DynamicModule } from '@nestjs/common';
import { NodesModule } from './nodes.module.js';
import { InstallScriptController } from './install-script.controller.js';
import { PackageController } from './package.controller.js';
import { PackageFolder } from './package-folder.js';

/** How a machine becomes a host: the packages it fetches, and the script that fetches them. */
@Module({})
export class OnboardingModule {
  static of(packagesDir: string | undefined): DynamicModule {
    return {
      module: OnboardingModule,
      imports: [NodesModule],
      controllers: [PackageController, InstallScriptController],
      providers: [{ provide: PackageFolder, useFactory: () => new PackageFolder(packagesDir) }],
    };
  }
}
