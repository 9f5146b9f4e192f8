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

static bool is_in(HCERTSTORE store, const CERT_CONTEXT *certificate) {
  const CERT_CONTEXT *found =
      store ? CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_EXISTING,
                                         certificate, NULL)
            : NULL;
  if (found) CertFreeCertificateContext(found);
  return found != NULL;
}

static bool is_its_own_issuer(const CERT_CONTEXT *certificate) {
  CERT_INFO *info = certificate->pCertInfo;
  return CertCompareCertificateName(X509_ASN_ENCODING, &info->Issuer, &info->Subject);
}

typedef struct taker {
  void (*take)(void *user, const uint8_t *der, size_t size);
  void *user;
  HCERTSTORE refused; /* what the administrator trusts in no case; NULL: unknown */
} taker;

static void take_from(const wchar_t *name, bool roots, const taker *to) {
  HCERTSTORE store = CertOpenSystemStoreW(0, name);
  const CERT_CONTEXT *certificate = NULL;
  if (!store) return;
  while ((certificate = CertEnumCertificatesInStore(store, certificate)) != NULL)
    if ((roots || !is_its_own_issuer(certificate)) && is_for_servers(certificate) &&
        !is_in(to->refused, certificate))
      to->take(to->user, certificate->pbCertEncoded, certificate->cbCertEncoded);
  CertCloseStore(store, 0);
}

/* CA has what leads to an authority.  One that would be an authority itself is none for being
 * there: OpenSSL would trust it. */
bool wsc_authorities_each(void (*take)(void *user, const uint8_t *der, size_t size), void *user) {
  taker to = {.take = take, .user = user, .refused = CertOpenSystemStoreW(0, L"Disallowed")};
  take_from(L"ROOT", true, &to);
  take_from(L"CA", false, &to);
  if (to.refused) CertCloseStore(to.refused, 0);
  return true;
}
