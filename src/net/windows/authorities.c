/* The certificate authorities of the system's stores: see file.h. */
#include "net/system/file.h"

#include <string.h>

#include <windows.h>

#include <wincrypt.h>

#include "core/hidden.h"

/* An authority may be trusted for mail alone, say.  One without a list is for everything; one whose
 * list is empty for nothing, and Windows says so by the error it leaves. */
static bool is_for_servers(const CERT_CONTEXT *certificate) {
  union {
    CTL_USAGE list;
    char room[4096];
  } usage;
  DWORD size = sizeof usage;
  if (!CertGetEnhancedKeyUsage(certificate, 0, &usage.list, &size) ||
      usage.list.cUsageIdentifier == 0)
    return GetLastError() == (DWORD)CRYPT_E_NOT_FOUND;
  for (DWORD i = 0; i < usage.list.cUsageIdentifier; i++)
    if (strcmp(usage.list.rgpszUsageIdentifier[i], szOID_PKIX_KP_SERVER_AUTH) == 0) return true;
  return false;
}

bool wsc_authorities_each(void (*take)(void *user, const uint8_t *der, size_t size), void *user) {
  static const wchar_t *const names[] = {L"ROOT", L"CA"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    HCERTSTORE store = CertOpenSystemStoreW(0, names[i]);
    const CERT_CONTEXT *certificate = NULL;
    if (!store) continue;
    while ((certificate = CertEnumCertificatesInStore(store, certificate)) != NULL)
      if (is_for_servers(certificate))
        take(user, certificate->pbCertEncoded, certificate->cbCertEncoded);
    CertCloseStore(store, 0);
  }
  return true;
}
