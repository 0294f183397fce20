# SPDX-License-Identifier: MIT
<#
.SYNOPSIS
Builds evpoll on Windows 10 or later, from a checkout, and runs its tests there.

.DESCRIPTION
    powershell -ExecutionPolicy Bypass -File tests\on-windows.ps1 -GoogleTest C:\googletest

In build\on-windows-COMPILER it builds the library, the examples and the tests, runs the contract, what
Windows' backend has of its own and the demonstration, and ends with "N passed, N failed, N skipped".
What is missing on the machine is named, with the command that installs it. It needs no network beyond
loopback, no administrator, and writes nothing outside of its folder.

.PARAMETER Compiler
msvc, which is the newest Visual Studio or its Build Tools, or mingw: the gcc and g++ of PATH.
.PARAMETER GoogleTest
A folder with GoogleTest's sources. Both compilers build them.
.PARAMETER Vcpkg
vcpkg's folder, with gtest installed in it, in place of GoogleTest's sources.
.PARAMETER Options
More for CMake.
#>
[CmdletBinding()]
param(
  [ValidateSet('msvc', 'mingw')] [string] $Compiler = 'msvc',
  [string] $GoogleTest = '',
  [string] $Vcpkg = '',
  [string[]] $Options = @()
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
if ($GoogleTest -and (Test-Path $GoogleTest)) { $GoogleTest = (Resolve-Path $GoogleTest).Path }
if ($Vcpkg -and (Test-Path $Vcpkg)) { $Vcpkg = (Resolve-Path $Vcpkg).Path }
Set-Location (Split-Path -Parent $PSScriptRoot)

function Say([string] $text) { Write-Host "`n== $text" }
function Stop-Here([string] $text) {
  Write-Host "on-windows: $text"
  exit 1
}

# What a program prints goes to a log, and its exit code is returned. To this shell a line on its
# standard error is an error of the script's own, unless it is told otherwise.
function Invoke-Logged([string] $log, [string] $program, [string[]] $arguments) {
  $ErrorActionPreference = 'Continue'
  & $program @arguments 2>&1 | ForEach-Object { "$_" } | Out-File -Encoding utf8 $log
  return $LASTEXITCODE
}
function Test-Program([string] $name) {
  return $null -ne (Get-Command $name -CommandType Application -ErrorAction SilentlyContinue)
}

# Visual Studio's folder, if there is one with a C++ compiler. Its CMake serves where PATH has none.
function Find-VisualStudio {
  $programs = ${env:ProgramFiles(x86)}
  if (-not $programs) { return '' }
  $vswhere = Join-Path $programs 'Microsoft Visual Studio\Installer\vswhere.exe'
  if (-not (Test-Path $vswhere)) { return '' }
  $found = & $vswhere -latest -products '*' -property installationPath `
    -requiresAny -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 Microsoft.VisualStudio.Component.VC.Tools.ARM64
  return [string] ($found | Select-Object -First 1)
}

$build = "build/on-windows-$Compiler"
$configure = @('-S', '.', '-B', $build, '-DEVPOLL_CONTRACT_TESTS_ONLY=ON')
$missing = @()
if ($Compiler -eq 'msvc') {
  $studio = Find-VisualStudio
  if (-not $studio) {
    $missing += "Visual Studio's C++ compiler:
  winget install Microsoft.VisualStudio.2022.BuildTools --override `"--passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended`""
  } elseif (-not (Test-Program cmake)) {
    $env:PATH += ";$studio\Common7\IDE\CommonExtensions\Microsoft\CMake\CMake\bin"
  }
  $machine = 'x64'
  if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { $machine = 'ARM64' }
  $configure += @('-A', $machine)
} else {
  if (-not ((Test-Program gcc) -and (Test-Program g++))) {
    $missing += 'gcc and g++ of mingw-w64: winget install BrechtSanders.WinLibs.POSIX.UCRT'
  }
  if (-not (Test-Program ninja)) { $missing += 'ninja: winget install Ninja-build.Ninja' }
  # Words of the environment, which a tool chain's file goes before.
  $env:CC = 'gcc'
  $env:CXX = 'g++'
  $configure += @('-G', 'Ninja')
}
if (-not (Test-Program cmake)) { $missing += 'CMake 3.20 or later: winget install Kitware.CMake' }
if ($GoogleTest) {
  if (-not (Test-Path (Join-Path $GoogleTest 'CMakeLists.txt'))) {
    Stop-Here "no sources of GoogleTest in '$GoogleTest'"
  }
  $configure += "-DEVPOLL_GTEST_SOURCE=$GoogleTest"
} elseif ($Vcpkg) {
  $toolchain = Join-Path $Vcpkg 'scripts/buildsystems/vcpkg.cmake'
  if (-not (Test-Path $toolchain)) { Stop-Here "no vcpkg in '$Vcpkg'" }
  $configure += "-DCMAKE_TOOLCHAIN_FILE=$toolchain"
} else {
  $missing += "GoogleTest:
  git clone --depth 1 --branch v1.15.2 https://github.com/google/googletest, then -GoogleTest googletest
  or vcpkg install gtest, then -Vcpkg FOLDER"
}
if ($missing) { Stop-Here "missing here: $($missing -join "`n")" }

Say "$Compiler`: building in $build"
New-Item -ItemType Directory -Force $build | Out-Null
$jobs = [string] [Environment]::ProcessorCount
$code = Invoke-Logged "$build/configure.log" cmake ($configure + $Options)
if ($code -ne 0) {
  Get-Content "$build/configure.log" -Tail 20 | Write-Host
  Stop-Here "CMake failed: see $build/configure.log"
}
$code = Invoke-Logged "$build/build.log" cmake @('--build', $build, '--config', 'Release', '--parallel', $jobs)
if ($code -ne 0) {
  Select-String -Path "$build/build.log" -Pattern 'error|FAILED|undefined' | Select-Object -First 40 |
    ForEach-Object { Write-Host $_.Line }
  Stop-Here "building failed: see $build/build.log"
}

Say "the contract, and the backend's own tests"
$null = Invoke-Logged "$build/test.log" ctest @('--test-dir', $build, '-C', 'Release', '-L', 'contract|backend',
  '-j', $jobs, '--output-on-failure')
$passed = 0
$failed = 0
$skipped = 0
$bad = $false
$shown = 0
foreach ($line in Get-Content "$build/test.log") {
  if ($line -match '^ *\d+/\d+ Test +#') {
    $bad = $false
    if ($line -match ' Passed +[\d.]+ sec') { $passed++ }
    elseif ($line -match '\*\*\*(Skipped|Not Run \(Disabled\))') { $skipped++ }
    else { $failed++; $bad = $true }
  }
  if ($bad -and $shown -lt 400) {
    Write-Host $line
    $shown++
  }
}
if ($passed + $failed -eq 0) {
  Get-Content "$build/test.log" -Tail 20 | Write-Host
  Stop-Here 'no tests ran'
}
Select-String -Path "$build/Testing/Temporary/LastTest.log" -Pattern '^\[   GATE   \].*closed' |
  ForEach-Object { $_.Line } | Sort-Object -Unique | Write-Host

# evpoll-serve over a folder of this repository: each file of it comes back as it is.
function Test-Demonstration {
  $folder = (Resolve-Path 'lib').Path
  $server = Get-ChildItem -Recurse -Filter 'evpoll-serve.exe' "$build/bin" | Select-Object -First 1
  $start = New-Object System.Diagnostics.ProcessStartInfo
  $start.FileName = $server.FullName
  $start.Arguments = "`"$folder`""
  if ($env:EVPOLL_WINE) { # elsewhere than on Windows
    $start.FileName = $env:EVPOLL_WINE
    $start.Arguments = "`"$($server.FullName)`" `"$folder`""
  }
  $start.RedirectStandardOutput = $true
  $start.UseShellExecute = $false
  $process = [System.Diagnostics.Process]::Start($start)
  try {
    $line = $process.StandardOutput.ReadLine()
    if ("$line" -notmatch '^listening on (\S+)') {
      Write-Host "the server did not start: $line"
      return $false
    }
    $address = $Matches[1]
    Write-Host "evpoll-serve serves lib/ at http://$address/"
    $client = New-Object System.Net.WebClient
    $count = 0
    foreach ($file in Get-ChildItem -Recurse -File $folder) {
      $path = $file.FullName.Substring($folder.Length).Replace('\', '/')
      $answer = [Convert]::ToBase64String($client.DownloadData("http://$address$path"))
      if ($answer -cne [Convert]::ToBase64String([IO.File]::ReadAllBytes($file.FullName))) {
        Write-Host "$path arrived different"
        return $false
      }
      $count++
    }
    Write-Host "all $count answers are equal to the files, byte by byte"
    return $count -gt 0
  } catch {
    Write-Host "the demonstration: $_"
    return $false
  } finally {
    if (-not $process.HasExited) { $process.Kill() }
  }
}
Say 'the demonstration'
if (Test-Demonstration) { $passed++ } else { $failed++ }

Write-Host "`n$passed passed, $failed failed, $skipped skipped"
exit [int] ($failed -gt 0)
